"""The demo page: its controls, and what happens when they are used. Gradio comes as an argument, as few have it."""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import wraps
from html import escape
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from runtime.command import MISTAKES, one_line
from torch import Tensor

from prediction.page.example import Example
from prediction.page.figures import answer_figures, on_screen, query_figure, support_figures
from prediction.page.own_supports import assign_slots, own_supports, read_class, read_colour, read_own
from prediction.page.side_by_side import compare
from prediction.page.two_runs import Runs
from prediction.segment import Support, UnseenSupport
from selfcontrast.visualize import COLOURS

SLOTS = 5
DATA_SET, OWN = "Episodes of the run's data set", "My own pictures"
TITLE = "One object, marked in a few pictures and found in others"
INTRO = f"""# {TITLE}
Mark an object in one picture or more: these are the **supports**. The models then look for things of its kind in the
**queries**. They need not have been trained on it. Your pictures stay on this computer."""
PAINT = "Choose one picture or more, then paint the object on each of them."
MASKS = """A mask has the name of its picture. It holds 0 and 1, or black and white, or it is a COCO-style JSON of the
picture. Of a mask with more classes or colours, say below which one is the object."""


class Part(NamedTuple):
    """Controls of one part of the page, and what reads a visitor's choice from their values.

    `episode` chooses among the examples; None where there are none.
    """

    controls: list[Any]
    read: Callable[[dict[Any, Any]], Any]
    episode: Any


def build_page(gradio: ModuleType, runs: Runs, examples: Sequence[Example], missing: str) -> Any:
    """The page, not yet shown; `missing` says why there are no examples."""
    with gradio.Blocks(title=TITLE) as page:
        gradio.Markdown(INTRO)
        gradio.HTML(notes(runs, missing))
        with gradio.Row():
            with gradio.Column(min_width=330):
                supports = _supports(gradio, examples, runs.recipe.size)
            with gradio.Column(min_width=330):
                queries = _queries(gradio, examples, runs.recipe.size)
        if examples:
            # An episode's query shows what its supports show.
            supports.episode.change(lambda place: place, supports.episode, queries.episode, show_progress="hidden")
        button = gradio.Button("Find the object", variant="primary")
        results = gradio.HTML(label="Results")

        def press(values: dict[Any, Any], progress: Any = gradio.Progress()) -> str:  # noqa: B008
            names, pictures = queries.read(values)
            figures = find(runs, *supports.read(values), names, pictures)
            rows = "".join(progress.tqdm(figures, desc="queries", total=len(names)))
            return f'<div class="results"><h2>Results</h2>{rows}</div>'

        button.click(_told(press), {*supports.controls, *queries.controls}, results)
    return page


def find(
    runs: Runs, marked: Sequence[str], supports: Sequence[Support], names: Sequence[str], queries: Iterable[Tensor]
) -> Iterator[str]:
    """The figures of each query, as HTML.

    Args:
        marked, names: what supports and queries are called.

    Raises:
        ValueError: as `segment` does.
    """
    try:
        for name, answer in zip(names, compare(runs.models, supports, queries, runs.recipe), strict=True):
            yield answer_figures(name, answer, runs.recipe)
    except UnseenSupport as error:
        raise ValueError(f"{marked[error.place]}: {error.text}") from None


def notes(runs: Runs, missing: str) -> str:
    """What the models are, and what is not there, as HTML."""
    paragraphs = [*runs.notes, *([missing] if missing else [])]
    command = f"<pre><code>{escape(runs.command)}</code></pre>" if runs.command else ""
    first, *others = (f"<p>{escape(one)}</p>" for one in paragraphs)
    return f'<div class="notes">{first}{command}{"".join(others)}</div>'


def sentence(error: BaseException) -> str:
    """What a visitor did wrong, without the folder that uploads lie in."""
    folder = os.environ.get("GRADIO_TEMP_DIR")
    return re.sub(rf"{re.escape(folder)}/\w+/", "", one_line(error)) if folder else one_line(error)


def _told(answer: Callable[..., str]) -> Callable[..., str]:
    """`answer`, or a sentence in its place that says what the visitor did wrong."""

    @wraps(answer)
    def telling(*values: Any, **progress: Any) -> str:
        try:
            return answer(*values, **progress)
        except MISTAKES as error:
            return f'<p class="mistake" role="alert">{escape(sentence(error))}</p>'

    return telling


def _supports(gradio: ModuleType, examples: Sequence[Example], size: int) -> Part:
    gradio.Markdown("## Supports")
    source, episode = _source(gradio, examples, "Where supports come from", _supports_of)
    with gradio.Column(visible=not examples) as own:
        gradio.Markdown(PAINT)
        pictures = _files(gradio, "Support pictures")
        slots = gradio.State([None] * SLOTS)
        editors = [_editor(gradio) for _ in range(SLOTS)]
        with gradio.Accordion("Masks from files, instead of painting", open=False):
            gradio.Markdown(MASKS)
            masks = _files(gradio, "Masks")
            class_index = gradio.Textbox(label="Class of the object, a number")
            colour = gradio.Textbox(label="Colour of the object, such as 255,0,0")

    def show(paths: list[str] | None, before: list[Path | None]) -> list[Any]:
        now = assign_slots(_paths(paths), before)
        if len(_paths(paths)) > SLOTS:
            gradio.Warning(f"{SLOTS} pictures can be painted at a time; choose files of masks for the others.")
        return [now, *(_shown(gradio, *pair, size) for pair in zip(before, now, strict=True))]

    def read(values: dict[Any, Any]) -> tuple[list[str], list[Support]]:
        if source and values[source] == DATA_SET:
            example = examples[values[episode]]
            return [item.image.name for item in example.supports], example.read_supports()
        paintings = {slot: values[editor] for slot, editor in zip(values[slots], editors, strict=True) if slot}
        files = _paths(values[pictures]), paintings, _paths(values[masks])
        found = own_supports(*files, size, read_class(values[class_index]), read_colour(values[colour]))
        return [path.name for path in files[0]], found

    pictures.change(show, [pictures, slots], [slots, *editors])
    _switch(gradio, source, own)
    chosen = [source, episode] if source else []
    return Part([*chosen, pictures, slots, *editors, masks, class_index, colour], read, episode)


def _queries(gradio: ModuleType, examples: Sequence[Example], size: int) -> Part:
    gradio.Markdown("## Queries")
    source, episode = _source(gradio, examples, "Where queries come from", _query_of)
    with gradio.Column(visible=not examples) as own:
        gradio.Markdown("Choose one picture or more, in which the object is looked for.")
        pictures = _files(gradio, "Query pictures")

    def read(values: dict[Any, Any]) -> tuple[list[str], Iterator[Tensor]]:
        if source and values[source] == DATA_SET:
            example = examples[values[episode]]
            return [example.query.image.name], iter([example.read_query()])
        paths = _paths(values[pictures])
        if not paths:
            raise ValueError("queries: expected at least one picture, got none; choose one under Query pictures")
        return [path.name for path in paths], (read_own(path, size) for path in paths)

    _switch(gradio, source, own)
    chosen = [source, episode] if source else []
    return Part([*chosen, pictures], read, episode)


def _source(
    gradio: ModuleType, examples: Sequence[Example], label: str, figures: Callable[[Example], str]
) -> tuple[Any, Any]:
    """The choice between the data set and own pictures, and that of an episode; None twice without examples."""
    if not examples:
        return None, None
    source = gradio.Radio([DATA_SET, OWN], value=DATA_SET, label=label)
    with gradio.Column() as of_data_set:
        names = [(f"{place}: {one.class_name}", place - 1) for place, one in enumerate(examples, 1)]
        episode = gradio.Dropdown(names, value=0, label="Episode")
        shown = gradio.HTML(figures(examples[0]))
    episode.change(_told(lambda place: figures(examples[place])), episode, shown)
    source.change(lambda chosen: gradio.Column(visible=chosen == DATA_SET), source, of_data_set)
    return source, episode


def _switch(gradio: ModuleType, source: Any, own: Any) -> None:
    """Show the controls of own pictures where those are chosen."""
    if source:
        source.change(lambda chosen: gradio.Column(visible=chosen == OWN), source, own)


def _supports_of(example: Example) -> str:
    return support_figures(example.read_supports(), example.class_name)


def _query_of(example: Example) -> str:
    return query_figure(example.read_query(), example.query.image.name)


def _files(gradio: ModuleType, label: str) -> Any:
    return gradio.File(label=label, file_count="multiple", height=150)


def _editor(gradio: ModuleType) -> Any:
    """A picture to paint on, hidden as long as there is none."""
    # One sees the object through the paint.
    paint = (f"rgb{COLOURS[0]}", 0.55)
    brush = gradio.Brush(colors=[paint], default_color=paint, color_mode="fixed")
    options = {"sources": (), "transforms": (), "layers": False, "image_mode": "RGBA", "type": "numpy"}
    return gradio.ImageEditor(visible=False, brush=brush, height=420, **options)


def _shown(gradio: ModuleType, before: Path | None, now: Path | None, size: int) -> Any:
    """What becomes of an editor whose picture changes. What is painted stays where the picture does."""
    if now == before:
        return gradio.skip()
    if now is None:
        return gradio.ImageEditor(value=None, visible=False)
    try:
        pixels = on_screen(read_own(now, size)).permute(1, 2, 0).numpy()
    except MISTAKES as error:
        gradio.Warning(escape(sentence(error)), duration=None)
        return gradio.ImageEditor(value=None, visible=False)
    painting = {"background": pixels, "layers": [], "composite": None}
    return gradio.ImageEditor(value=painting, label=now.name, visible=True)


def _paths(files: Sequence[str] | None) -> list[Path]:
    return [Path(file) for file in files or ()]
