"""The description means the right tensors: the query's are named as the query's, and the support's are exchanged.

Only which images a tensor follows can tell. Where that does not settle it, as behind attention from query to support,
the claim stays open.

Axes: D channels of an entry's input, C those of the features.
"""

import torch
from torch import Tensor

from selfcontrast.attach.host import CosineHost, Entry, Host, channel_range, channels_text
from selfcontrast.attach.verify.attached import Attached
from selfcontrast.attach.verify.forwards import Batch
from selfcontrast.attach.verify.likeness import class_of_likeness
from selfcontrast.attach.verify.places import Followed, Place, flat, follow
from selfcontrast.attach.verify.report import Finding, Verdict
from selfcontrast.errors import values_of

SAME = "features and high_level follow the same images"
EXCHANGED = "what the pass exchanges follows the other images"
REST = "and the logits of the pass follow these no more"


def images_followed(attachment: Attached, batch: Batch) -> list[Finding]:
    """The claims about which images are followed by what the host names."""
    claims = [SAME, EXCHANGED, REST]
    followed = follow(attachment, batch)
    if isinstance(followed, str):
        return [Finding(claim, None, followed) for claim in claims]
    same, query = _same_images(followed)
    others = frozenset(range(followed.images)) - query
    if not query or not others:
        return [same, *(Finding(claim, None, "mend the line above first") for claim in claims[1:])]
    rows = [_Row(followed, place, query, others) for place in followed.places("entry")]
    exchanged = [_prototype_apart(place, followed, query) for place in followed.places("prototype")]
    exchanged += [verdict for row in rows for verdict in (row.prototype(), row.prior(), row.roles())]
    exchanged.append(class_of_likeness(attachment, batch))
    findings = [same, _finding(EXCHANGED, exchanged, followed.say(others))]
    return [*findings, _no_more(attachment.host, followed, rows, others)]


def _no_more(host: Host | CosineHost, followed: Followed, rows: list["_Row"], others: frozenset[int]) -> Finding:
    """The claim that the support has no way to the pass's logits but by what is exchanged."""
    scores = isinstance(host, CosineHost) and host.background is not None
    if not any(bool(followed.any_of(place, others).any()) for place in followed.places("logits")):
        # The background's holds the foreground prototype.
        which = "the foreground's does not follow" if scores else "none follows"
        return Finding(REST, True, f"{which} {followed.say(others)}")
    ways = [
        f"features ({one.name}) follow them too" for one in followed.places("features") if followed.of(one) & others
    ]
    ways += [text for row in rows for text in row.rest()]
    ways += [f"{one.name} follows them" for one in followed.places("doubled") if followed.of(one) & others]
    unknown = "they reach them by a way that the host does not name, such as code between two modules"
    if isinstance(host, CosineHost):
        unknown = "they reach them beside the similarities named" + (
            "" if scores else ": one with the background's, too?"
        )
    return Finding(REST, None, "; ".join(dict.fromkeys(ways)) or unknown)


def _finding(claim: str, verdicts: list[Verdict], figure: str) -> Finding:
    """One finding of several verdicts: the worst one counts, and each text stands once."""
    wrong = [text for holds, text in verdicts if holds is False]
    unknown = [text for holds, text in verdicts if holds is None]
    holds = False if wrong else None if unknown else True
    return Finding(claim, holds, "; ".join(dict.fromkeys(wrong + unknown)) or figure)


GOOD: Verdict = (True, "")


def _same_images(followed: Followed) -> tuple[Finding, frozenset[int]]:
    """The first claim, and the images of the query: none where they cannot be known."""
    deep_place = followed.places("high_level")[0]
    deep, query = followed.of(deep_place), followed.of(deep_place)
    verdicts: list[Verdict] = []
    for place in followed.places("features"):
        own = followed.of(place)
        said = (
            f"features ({place.name}) follow {followed.say(own)}, high_level ({deep_place.name}) follows "
            f"{followed.say(deep)}"
        )
        if not own & deep:
            verdicts.append((False, said + _meant(followed, place, deep_place)))
        elif own != deep:
            verdicts.append((None, f"{said}: features made of query and support?"))
        query &= own
    if not verdicts and len(query) == followed.images:
        verdicts.append((None, f"both follow {followed.say(query)}: query and support cannot be told apart"))
    return _finding(SAME, verdicts, followed.say(query)), query


def _meant(followed: Followed, features: Place, high_level: Place) -> str:
    """Which other call of the named modules follows the images of the other of the two."""
    calls = followed.places("call")
    for role, place, wanted in (("features", features, high_level), ("high_level", high_level, features)):
        module = place.name.partition("#")[0].partition("[")[0]
        fits = [
            one
            for one in calls
            if one.name.partition("#")[0] == module and followed.of(one) == followed.of(wanted) and followed.of(one)
        ]
        if fits:
            return f": {role}={fits[0].name!r}?"
    return ""


def _prototype_apart(place: Place, followed: Followed, query: frozenset[int]) -> Verdict:
    """What is compared with the features in a similarity."""
    own = followed.of(place)
    if not own & query:
        return GOOD if own else (None, f"{place.name} follows no image")
    if own <= query:
        return False, f"{place.name} follows {followed.say(own)}, as the features do: is its place counted right?"
    return None, f"{place.name} follows {followed.say(own)}: made of query and support?"


class _Row:
    """The channels of one call of an entry, by the images that they follow."""

    def __init__(self, followed: Followed, place: Place, query: frozenset[int], others: frozenset[int]) -> None:
        assert place.entry is not None
        self._followed, self._place, self._query, self._others = followed, place, query, others
        self._entry: Entry = place.entry
        self._name = place.entry.call
        self._tensor = followed.tensors[place]
        features = {one.name: followed.tensors[one] for one in followed.places("features")}
        own = features.get(self._entry.features or "", next(iter(features.values())))
        self._width = own.shape[1]
        self._of_query, self._of_others = (followed.any_of(place, images) for images in (query, others))
        self._dead = ~self._of_query & ~self._of_others
        self._inside = {text: self._range(text) for text in (self._entry.prototype, self._entry.prior) if text}
        self._outside = torch.ones_like(self._dead)
        for place_of in self._inside.values():
            self._outside[place_of] = False

    def prototype(self) -> Verdict:
        """Whether the prototype's channels follow the support alone."""
        text = self._entry.prototype
        if text is None:
            return GOOD
        query, others = self._of_query[self._inside[text]], self._of_others[self._inside[text]]
        name = f"{text} of {self._name}"
        masks = self._followed.follows[self._place][self._followed.images :, self._inside[text]]
        if bool((query & ~others).any()):
            alone = self._runs(self._of_others & ~self._of_query)
            hint = f"; {alone[0]} follows {self._say(self._others)} alone: prototype={alone[0]!r}?" if alone else ""
            part = "follows" if bool((query & ~others)[~self._dead[self._inside[text]]].all()) else "partly follows"
            return False, f"{name} {part} {self._say(self._query)}, as the features do{hint}"
        if bool(query.any()):
            return None, f"{name} follows {self._say(self._query | self._others)}: a prototype made of both?"
        if not bool(others.any()):
            return None, f"{name} follows no image of this batch"
        if bool(masks.any()):
            return None, f"{name} follows {self._followed.names[-1]} too: is this the support's mask?"
        return GOOD

    def prior(self) -> Verdict:
        """Whether the prior's channels follow the support, if they follow any image."""
        text = self._entry.prior
        if text is None:
            return GOOD
        query, others = self._of_query[self._inside[text]], self._of_others[self._inside[text]]
        alone = int((query & ~others).sum())
        if alone:
            # A prior has few channels, and in a model that has not learnt yet it may hardly depend on the support.
            holds = False if 2 * alone >= self._width else None
            return holds, f"prior {text} of {self._name} follows {self._say(self._query)} alone: no prior of a support"
        return GOOD

    def roles(self) -> Verdict:
        """Whether the prototype is not rather what was taken for the query's features."""
        text = self._entry.prototype
        if text is None or self._tensor.dim() != 4 or self._tensor.shape[2:].numel() == 1:
            return GOOD
        same = flat(self._tensor)
        features = self._of_query & ~self._of_others & self._outside
        varies = bool((~same & self._of_others)[self._inside[text]].any())
        if varies and bool(features.any()) and bool(same[features].all()):
            return False, (
                f"{text} of {self._name} varies over the image, and {self._runs(features)[0]}, which follows "
                f"{self._say(self._query)}, does not: are features and high_level those of the support?"
            )
        return GOOD

    def rest(self) -> list[str]:
        """The other channels that follow the support."""
        both = self._of_others & self._of_query & self._outside
        alone = self._of_others & ~self._of_query & self._outside
        priors = [f"{run} of {self._name} follows them: a prior? then write prior={run!r}" for run in self._runs(both)]
        runs = self._runs(alone)
        return priors + [f"{run} of {self._name} follows them alone: another prototype, or features?" for run in runs]

    def _say(self, images: frozenset[int]) -> str:
        return self._followed.say(images)

    def _range(self, text: str) -> slice:
        return channel_range(text, self._width, self._tensor.shape[1])

    def _runs(self, channels: Tensor) -> list[str]:
        """Ranges of these channels, with those between and beside them that are silent in this batch."""
        found, dead, total = list[slice](), values_of(self._dead & self._outside), len(channels)
        for channel in values_of(torch.nonzero(channels)):
            if found and all(dead[found[-1].stop : channel]):
                found[-1] = slice(found[-1].start, channel + 1)
            else:
                found.append(slice(channel, channel + 1))
        texts: list[str] = []
        for run in found:
            start, stop = run.start, run.stop
            while start % self._width and dead[start - 1]:
                start -= 1
            while stop % self._width and stop < total and dead[stop]:
                stop += 1
            texts.append(channels_text(slice(start, stop), self._width, total))
        return texts if len(texts) < 4 else [f"{len(texts)} ranges of channels from {texts[0]} to {texts[-1]}"]
