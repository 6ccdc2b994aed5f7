"""Models that hooks do not reach, and hosts that do not fit: an error that names the mistake."""

import pytest
import torch
from attached import assert_nothing_is_heard
from hosts import build
from torch import Tensor, nn

from selfcontrast import CosineHost, Doubled, Entry, Exit, Host, InputError, SelfContrastiveAuxiliary
from selfcontrast.attach.attachable import check_module
from selfcontrast.attach.presets import Preset

pytestmark = pytest.mark.filterwarnings("ignore:.*experimental")


def test_what_hooks_do_not_reach_is_refused() -> None:
    small = build("hpa")
    with pytest.raises(
        InputError, match=r"model: expected the model itself, got DataParallel; attach to model\.module"
    ):
        SelfContrastiveAuxiliary().attach(nn.DataParallel(small.model), "hpa")

    class _FabricModule(nn.Module):
        """What Fabric's `setup` returns is told by its name."""

    with pytest.raises(InputError, match=r"got _FabricModule; attach to model\.module"):
        SelfContrastiveAuxiliary().attach(_FabricModule(), "hpa")
    small.attach()
    with pytest.raises(InputError, match="nothing attached, got an attached one"):
        small.attach()


def test_a_replica_of_data_parallel_says_what_to_use() -> None:
    small = build("hpa")
    attachment = small.attach()
    replica = small.model._replicate_for_data_parallel()
    with pytest.raises(InputError, match=r"DataParallel.*use torch\.nn\.parallel\.DistributedDataParallel"):
        replica(**small.keywords)
    assert attachment.contrast is None
    replica.eval()
    replica.training = False
    small.model.eval()
    assert torch.isfinite(replica(**small.keywords)).all()


def test_a_forward_that_bypasses_hooks_is_an_error_at_blend() -> None:
    small = build("hpa")
    attachment = small.attach()
    loss = small.main_loss(small.model.forward(**small.keywords))
    with pytest.raises(InputError, match=r"call model\(\.\.\.\), not model\.forward\(\.\.\.\)"):
        attachment.blend(loss)


class Bypass(nn.Module):
    """A host that calls one of its parts by `.forward`, in which no hook fires."""

    def __init__(self, part: str) -> None:
        super().__init__()
        self.part = part
        self.encoder, self.merge, self.head = nn.Conv2d(3, 4, 4, 4), nn.Conv2d(8, 4, 1), nn.Conv2d(4, 2, 1)

    def run(self, name: str, value: Tensor) -> Tensor:
        module = self.get_submodule(name)
        return module.forward(value) if name == self.part else module(value)

    def forward(self, query: Tensor, support: Tensor, mask: Tensor) -> Tensor:
        features, prototype = self.run("encoder", query), self.run("encoder", support).mean((2, 3), keepdim=True)
        return self.run("head", self.run("merge", torch.cat([features, prototype.expand_as(features)], 1)))


@pytest.mark.parametrize("mechanism", ["fold", "replay"])
@pytest.mark.parametrize("part", ["encoder", "merge", "head"])
def test_a_part_called_by_forward_is_named(part: str, mechanism: str) -> None:
    model = Bypass(part)
    host = Host("encoder", "encoder", (Entry("merge"),), (Exit("head"),), mask="mask", mechanism=mechanism)
    attachment = SelfContrastiveAuxiliary().attach(model, host)
    images, mask = torch.randn(2, 3, 16, 16), torch.zeros(2, 16, 16, dtype=torch.long)
    with pytest.raises(InputError, match=f"{part}|features"):
        model(images, images, mask)
    assert_nothing_is_heard(attachment)
    with pytest.raises(InputError, match="blend"):
        attachment.blend(torch.tensor(0.5))


def hpa_with(**changes: object) -> Host:
    fields = {
        "features": "down_query",
        "high_level": "layer4",
        "entries": (Entry("init_merge", "C:2C", prior="2C:"),),
        "exits": (Exit("cls"),),
        "mask": "y",
    }
    return Host(**(fields | changes))


@pytest.mark.parametrize(
    ("host", "message"),
    [
        (hpa_with(features="down_qeury"), r"a module 'down_qeury' in the model, got none in HPA"),
        (hpa_with(high_level="layer9"), r"a module 'layer9'"),
        (hpa_with(entries=(Entry("init_merge.*.0"),)), r"a module 'init_merge\.\*\.0'"),
        (hpa_with(exits=(Exit("cls", 1.0), Exit("inner_cls.*"))), r"a module 'inner_cls\.\*'"),
        (hpa_with(cut=("nowhere",)), r"a module 'nowhere'"),
        (hpa_with(doubled=(Doubled("nowhere", 0),)), r"a module 'nowhere'"),
        (hpa_with(criterion="loss"), r"a module 'loss'"),
        (
            hpa_with(mask="mask"),
            r"host\.mask: expected an argument of HPA\.forward: x, s_x, s_y, y, cat_idx, got 'mask'",
        ),
        (CosineHost("encoder", "encoder", 0, None), "a module 'encoder'"),
    ],
)
def test_a_host_that_names_what_the_model_has_not_is_refused_at_once(host: Host, message: str) -> None:
    small = build("hpa")
    with pytest.raises(InputError, match=message):
        SelfContrastiveAuxiliary().attach(small.model, host)
    assert not small.model._forward_pre_hooks and not small.model._forward_hooks


@pytest.mark.parametrize(
    ("preset", "message"),
    [
        ("bam", r'host\.mask: preset "bam" expected an argument of HPA\.forward: .*, got \'y_m\'; '),
        ("pfenet", r"host: preset \"pfenet\" expected a module 'inner_cls\.\*' in the model, got none in HPA; "),
        ("ssp", r'host\.mask: preset "ssp" expected'),
        ("panet", r"host: preset \"panet\" expected a module 'encoder' in the model"),
    ],
)
def test_a_preset_of_another_model_is_named_beside_who_finds_a_host(preset: Preset, message: str) -> None:
    small = build("hpa")
    with pytest.raises(InputError, match=message + r".*ask selfcontrast\.probe\(model, \*batch\)$"):
        SelfContrastiveAuxiliary().attach(small.model, preset)
    assert not small.model._forward_pre_hooks and not small.model._forward_hooks


def test_a_preset_whose_shapes_do_not_fit_is_named_in_the_forward() -> None:
    small = build("hpa")
    small.model.down_query = nn.Sequential(small.model.down_query, Halved())
    small.model.init_merge = nn.Identity()
    attachment = small.attach()
    with pytest.raises((InputError, RuntimeError)) as caught:
        small()
    assert (
        'as preset "hpa"' in caught.value.__notes__[0]
        and "selfcontrast.probe(model, *batch)" in caught.value.__notes__[0]
    )
    assert_nothing_is_heard(attachment)


class Halved(nn.Module):
    """The first half of the channels."""

    def forward(self, features: Tensor) -> Tensor:
        return features[:, : features.shape[1] // 2]


def test_a_preset_whose_exit_is_no_classifier_is_named() -> None:
    small = build("hpa")
    small.model.cls = nn.Sequential(small.model.cls, Tripled())
    attachment = small.attach()
    with pytest.raises(
        InputError, match=r'host\.exits cls: preset "hpa" expected logits of shape.*ask selfcontrast\.probe'
    ) as it:
        small()
    assert str(it.value).count("preset") == 1
    assert_nothing_is_heard(attachment)


class Tripled(nn.Module):
    """A third class that is never the best."""

    def forward(self, logits: Tensor) -> Tensor:
        return torch.cat([logits, logits[:, :1] - 9], 1)


@pytest.mark.parametrize(
    ("host", "message"),
    [
        (
            hpa_with(entries=(Entry("init_merge", "C:20"),)),
            "prototype channels C:20 that hold the features' 8 channels",
        ),
        (hpa_with(entries=(Entry("init_merge", "2C:3C"),)), "prototype channels 2C:3C"),
        (hpa_with(entries=(Entry("init_merge", "C:C"),)), "prototype channels C:C"),
        (hpa_with(entries=(Entry("init_merge", "prototype"),)), "a range such as C:2C"),
        (hpa_with(features="ASPP_meta"), r"host\.features: expected a call that comes before the comparison starts"),
        (hpa_with(high_level="cls"), r"host\.high_level: expected a call that comes before the comparison"),
        (hpa_with(features="down_query#1"), r"host\.features: expected a call that comes before the comparison"),
        (hpa_with(features="down_query[1][0]"), r"features: expected a feature map of shape"),
        (hpa_with(features="down_query['3']"), r"host\.features: expected a tensor at down_query\['3'\], got NoneType"),
        (
            hpa_with(exits=(Exit("down_supp"),)),
            r"host\.entries: expected a call of init_merge before down_supp, got none",
        ),
        (hpa_with(exits=(Exit("cls"), Exit("cls#1"))), "calls of cls#1 in a training forward, got none"),
        (hpa_with(exits=(Exit("cls[0]"),)), "cls"),
        (hpa_with(exits=(Exit("ASPP_meta"),)), r"logits of shape \(2, 2, h, w\)"),
        (hpa_with(entries=(Entry("init_merge#1"),)), "cls|init_merge#1"),
        (hpa_with(doubled=(Doubled("cls", 3),)), r"host\.doubled: expected argument 3 of 'cls'"),
    ],
)
def test_a_wrong_host_is_an_error_that_names_its_mistake(host: Host, message: str) -> None:
    small = build("hpa")
    attachment = SelfContrastiveAuxiliary().attach(small.model, host)
    with pytest.raises(InputError, match=message):
        small()
    assert_nothing_is_heard(attachment)


def test_an_exit_that_never_comes_is_no_silent_doubling() -> None:
    small = build("hpa")
    attachment = SelfContrastiveAuxiliary().attach(small.model, hpa_with(exits=(Exit("cls#1"),)))
    # The host's own criterion meets twice the batch first.
    with pytest.raises(ValueError, match=r"batch_size|cls#1"):
        small()
    assert_nothing_is_heard(attachment)


def test_an_exit_before_the_entry_with_one_episode() -> None:
    small = build("hpa", batch=1)
    attachment = SelfContrastiveAuxiliary().attach(small.model, hpa_with(exits=(Exit("down_supp"),)))
    with pytest.raises(InputError, match=r"host\.entries: expected a call of init_merge before down_supp, got none"):
        small()
    assert_nothing_is_heard(attachment)


@pytest.mark.parametrize(("model", "fix"), [(nn.Conv2d, "build it first"), ({}, "pass the model itself")])
def test_what_is_no_model_is_refused_by_what_it_is(model: object, fix: str) -> None:
    # Under tests `attach` itself checks its annotations before.
    with pytest.raises(InputError, match=rf"model: expected a torch\.nn\.Module, got .*; {fix}"):
        check_module(model)
