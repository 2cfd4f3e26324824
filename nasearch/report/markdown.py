"""`report.md`: what was searched, with what, what came out, and how every number was measured."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from nasearch.report import audit_text, equal_budget, formatting, layout, tables
from nasearch.report.content import (
    FrontPicture,
    LatencyFacts,
    StudyReport,
    TrainedFacts,
    WinnerFacts,
)


def report_md(report: StudyReport) -> str:
    """The report as GitHub-flavoured Markdown; what was not measured is said to be so."""
    sections: tuple[Callable[[StudyReport], list[str]], ...] = (
        _head,
        _winner,
        _fronts,
        _scores,
        _references,
        _baselines,
        _audit,
        _search,
        _data,
        _training,
        _measured,
        _machine,
        _reproduce,
    )
    return "\n\n".join("\n".join(lines) for section in sections if (lines := section(report))) + "\n"


def _head(report: StudyReport) -> list[str]:
    picture = report.picture
    objectives = ", ".join(
        f"{formatting.title(o.name)} ({'less' if o.is_cost else 'more'} is better)"
        for o in report.searched.objectives
    )
    candidates = _count(report.spent, "candidate")
    return [
        f"# {_text(picture.study)}",
        "",
        f"{candidates} from the space {_code(report.space)} on {_code(picture.data)}, for {objectives}.",
        f"Written {report.created_at}.",
        "",
        f"![The front of {_text(picture.study)}]({_link(report.picture_path)})",
        "",
        f"The same to point at: [{_text(report.page_path)}]({_link(report.page_path)}).",
    ]


def _winner(report: StudyReport) -> list[str]:
    winner = report.winner
    if winner is None:
        return [
            "## Winner",
            "",
            "The study is not finished: no network was trained in full, the test split is unread.",
        ]
    trained = winner.trained
    readings = (
        "read once, by this network"
        if winner.test_readings == 1
        else f"reading number {winner.test_readings} of it"
    )
    metric = "accuracy" if "accuracy" in trained.proxy_name else trained.proxy_name
    proxy = f"{formatting.metric(metric, trained.proxy_accuracy)} {trained.proxy_name}"
    test = f"**{formatting.percent(winner.test_accuracy)}**"
    facts = [
        ("network", f"trial {trained.number}: {_text(trained.label)}"),
        ("chosen as", _text(winner.why)),
        ("**test accuracy**", f"{test} of {winner.test_images:,} test images ({readings})"),
        ("validation accuracy", f"{formatting.percent(trained.val_accuracy)} after the full training"),
        ("in the search", f"{proxy}; {_trust(report, trained.proxy_name)}"),
        *(
            (formatting.title(name), _exact(name, value))
            for name, value in winner.values.items()
            if not formatting.is_accuracy(name) and name != "latency_ms"
        ),
        ("latency", _latency(winner.latency)),
        ("training", _trained(trained)),
        *_teacher(winner),
    ]
    return ["## Winner", "", *_table(("", ""), facts), *_files(winner)]


def _teacher(winner: WinnerFacts) -> list[tuple[str, str]]:
    teacher = winner.teacher
    if teacher is None:
        return [("teacher", "none")]
    options = f"; {_options(winner.distillation)}" if winner.distillation else ""
    network = f"trial {teacher.number}: {_text(teacher.label)}"
    accuracy = f"{formatting.percent(teacher.val_accuracy)} validation accuracy after its own training"
    return [("teacher", f"{network}; {accuracy} ({_trained(teacher)}){options}")]


def _files(winner: WinnerFacts) -> list[str]:
    if not winner.files:
        return ["", "Nothing was exported."]
    rows = [
        (
            f"[{_text(file.path.as_posix())}]({_link(file.path.as_posix())})",
            file.format,
            formatting.size(file.size),
            formatting.MISSING if file.max_difference is None else f"{file.max_difference:.1e}",
        )
        for file in winner.files
    ]
    return [
        "",
        "Each file ran in a fresh process without nasearch; how far its outputs were from the original's:",
        "",
        *_table(("file", "format", "size", "largest difference"), rows),
    ]


def _fronts(report: StudyReport) -> list[str]:
    """The front to choose from, and where that is of confirmed candidates the one of all."""
    lines = []
    for picture in report.pictures:
        lines += [
            "",
            f"## Front, {_text(picture.kind)}" if picture.kind else "## Front",
            "",
            *_front(report, picture),
        ]
    if report.candidates is not None:
        lines += ["", f"![The front of {_text(report.candidates.title)}]({_link(report.candidates_path)})"]
    return lines[1:]


def _front(report: StudyReport, picture: FrontPicture) -> list[str]:
    rows = tables.front_and_winner(picture)
    if not rows:
        return ["No candidate was measured completely, so there is no front."]
    names = formatting.metric_names(rows, [objective.name for objective in picture.objectives])
    head = ("trial", "", *map(formatting.title, names), "network")
    body = [(str(row.number), tables.mark(row), *tables.cells(row, names), _text(row.label)) for row in rows]
    lines = [*_table(head, body), "", _whose(report, picture)]
    if any(row.latency_iqr_ms is not None for row in rows):
        lines[-1] += " What follows ± is half the interquartile range."
    if picture.so_far:
        lines += ["", _sentence(picture.so_far)]
    if picture.hypervolume is not None:
        corner = ", ".join(
            f"{_corner(o.name) if not o.is_cost else formatting.title(o.name)} {formatting.metric(o.name, x)}"
            for o, x in zip(picture.objectives, picture.reference, strict=False)
        )
        lines += ["", f"Hypervolume: {100 * picture.hypervolume:.2f} % of the box up to ({corner})."]
    return lines


def _corner(name: str) -> str:
    """What the loss of a quality is called."""
    return "error" if formatting.is_accuracy(name) else f"1 less {formatting.title(name)}"


def _whose(report: StudyReport, picture: FrontPicture) -> str:
    """What the accuracies of a front are."""
    name = formatting.title(next((o.name for o in picture.objectives if not o.is_cost), "accuracy"))
    whose = "a training of its own" if name == formatting.title(formatting.CONFIRMED) else "the proxy"
    return (
        f"{name.capitalize()} is that of {whose}: {picture.fidelity or 'see below'}; {_trust(report, name)}."
    )


def _scores(report: StudyReport) -> list[str]:
    """What was told of the front without training; nothing where no network of it has scores."""
    rows = [row for row in tables.front_and_winner(report.picture) if row.scores]
    if not rows:
        return []
    names = formatting.score_names(rows)
    body = [(str(row.number), *tables.score_cells(row, names)) for row in rows]
    trust = [_text(audit_text.proxy_words(report.audit, name)) for name in names]
    return [
        "## Scores without training",
        "",
        *_table(("trial", *map(_code, names)), [*body, ("how far to be trusted", *trust)]),
        "",
        "More is taken to be better. Scores tell bad networks from good ones; among the best they hardly say",
        "which is better, and no accuracy here is one.",
    ]


def _references(report: StudyReport) -> list[str]:
    """Known networks beside the front; nothing where there are none."""
    picture = report.searched
    known = [reference for reference in picture.references if not reference.reason]
    failed = [reference for reference in picture.references if reference.reason]
    if not picture.references:
        return []
    names = formatting.metric_names(known, [objective.name for objective in picture.objectives])
    body = []
    for reference in known:
        better = ", ".join(str(row.number) for row in layout.beaten_by(reference, picture))
        body.append((_text(reference.name), *tables.cells(reference, names), better or formatting.MISSING))
    lines = [
        "## References",
        "",
        "Known networks, trained by the same proxy beside the search: outside its budget and its limits.",
        "They were not trained in full and have not read the test split, so their accuracies compare with",
        "those of the front, not with the winner's test accuracy.",
        f"The proxy: {_trust(report)}.",
    ]
    if body:
        head = ("network", *map(formatting.title, names), "beaten by trial")
        lines += ["", *_table(head, body)]
        lines += ["", "A trial beats a reference that it is nowhere worse than, and somewhere better."]
    if failed:
        lines += ["", "Failed:", "", *(f"- {_text(each.name)}: {_text(each.reason)}" for each in failed)]
    return lines


def _baselines(report: StudyReport) -> list[str]:
    """Other searches with as many candidates; nothing where there are none."""
    if not report.comparisons:
        return []
    lines = ["## Compared at equal budget"]
    for comparison in report.comparisons:
        picture = equal_budget.picture_name(comparison)
        lines += [
            "",
            _sentence(equal_budget.comparison_line(comparison)),
            "",
            f"![Both curves]({_link(picture)})",
            "",
            *_table(map(_text, equal_budget.heads(comparison)), equal_budget.cells(comparison)),
            "",
            *(f"- {_text(note)}" for note in equal_budget.notes(comparison)),
        ]
    return lines


def _trust(report: StudyReport, proxy: str | None = None) -> str:
    """How far the proxy's accuracies, or those of that name, can be trusted, to stand beside them."""
    is_confirmed = proxy == formatting.title(formatting.CONFIRMED)
    return _text(audit_text.proxy_words(report.audit, proxy if is_confirmed else None))


def _audit(report: StudyReport) -> list[str]:
    """How far the proxies agree with full trainings; nothing where that was not looked at."""
    audit = report.audit
    if audit is None:
        return []
    return [
        "## Audit of the proxies",
        "",
        _sentence(audit_text.audit_line(audit)),
        "",
        f"![Proxy and full training]({_link(audit_text.AUDIT_PICTURE)})",
        "",
        *_table(map(_text, audit_text.heads(audit)), audit_text.cells(audit)),
        "",
        *(f"- {_text(note)}" for note in audit_text.notes(audit)),
    ]


def _sentence(text: str) -> str:
    text = _text(text)
    return f"{text[0].upper()}{text[1:]}."


def _search(report: StudyReport) -> list[str]:
    texts = [*(limit.text for limit in report.picture.limits), *report.block_limits]
    limits = ", ".join(map(_code, texts)) or "none"
    facts = [
        ("space", f"{_code(report.space)}: {_text(report.space_about)}; {report.space_size:,} networks"),
        ("limits", limits),
        ("sampler", _code(report.sampler)),
        *([("screen", tables.screen_line(report.screened))] if report.screened else []),
        ("seed", f"{report.seed}" + (", deterministic" if report.deterministic else "")),
        ("budget", f"{report.spent} of {report.budget} candidates spent"),
        ("trials", tables.outcome_line(report.searched.rows)),
        ("time", formatting.MISSING if report.seconds is None else formatting.duration(report.seconds)),
    ]
    if report.confirming_s is not None:
        facts.append(("confirming", f"{formatting.duration(report.confirming_s)} of trainings of their own"))
    lines = ["## Search", "", *_table(("", ""), facts)]
    failed = [row for row in report.searched.rows if row.outcome == "failed"]
    if failed:
        lines += [
            "",
            "Failed:",
            "",
            *(f"- trial {row.number}: {_text(row.reason or 'no reason')}" for row in failed),
        ]
    return lines


def _data(report: StudyReport) -> list[str]:
    data = report.data
    shape = " x ".join(str(length) for length in data.input_shape)
    splits = (
        ("training split", f"{data.train:,} images"),
        ("validation split", f"{data.val:,} images"),
        ("test split", f"{data.test:,} images"),
    )
    facts = [
        ("data", f"{_code(data.name)}: {_text(data.about)}"),
        ("classes", str(data.classes)),
        ("images", f"{shape} (channels, height, width)"),
        *(splits if data.train else ()),
        ("fingerprint of the data", _code(data.fingerprint)),
    ]
    return ["## Data", "", *_table(("", ""), facts)]


def _training(report: StudyReport) -> list[str]:
    trainings = dict(report.recipes)
    by = _options(trainings.pop("Proxy")) if "Proxy" in trainings else "No candidate was trained for it"
    lines = ["## Training", "", f"Proxy: {report.searched.fidelity or 'not named'}. {by}."]
    if report.winner is not None:
        trainings["Winner"] = report.winner.trained.recipe
        if report.winner.teacher is not None:
            trainings["Teacher"] = report.winner.teacher.recipe
    for name, options in trainings.items():
        lines += ["", f"{name}: {_options(options)}."]
    return lines


def _measured(report: StudyReport) -> list[str]:
    return [
        "## How it was measured",
        "",
        *(f"- {_text(sentence)}" for sentence in report.judged),
        "- Parameters: all trainable numbers. MACs: multiply-accumulates for one image.",
        "- Peak memory: the largest sum of live activations; weights not counted, nothing in place.",
        "- Latency: median after warm-up, in the runtime named beside it, nothing else of the study running.",
        "- Test accuracy: of the trained winner, which was chosen without it.",
    ]


def _machine(report: StudyReport) -> list[str]:
    device = [(_text(str(name)), _text(str(value))) for name, value in report.device.items()]
    versions = [(_text(name), _text(version)) for name, version in report.versions.items()]
    return ["## Machine", "", *_table(("device", ""), device), "", *_table(("library", "version"), versions)]


def _reproduce(report: StudyReport) -> list[str]:
    stored = f" Its trials are in {_code(report.stored_in)}." if report.stored_in else ""
    again = (
        "It gives the same candidates and accuracies."
        if report.deterministic
        else "The candidates' accuracies vary a little from run to run; `--deterministic` fixes them."
    )
    if not report.command:
        return ["## Again", "", f"The study was run by a program.{stored}"]
    fresh = "The same command goes on with this study; with `--fresh` it starts a new one beside it. "
    return ["## Again", "", "```sh", report.command, "```", "", fresh + again + stored]


def _trained(trained: TrainedFacts) -> str:
    epochs = _count(trained.epochs, "epoch")
    start = f", from {_text(trained.start)}" if trained.start else ""
    return f"{epochs}, {formatting.duration(trained.seconds)}, seed {trained.seed}{start}"


def _latency(latency: LatencyFacts | None) -> str:
    if latency is None:
        return "not measured"
    median = formatting.milliseconds(latency.median_ms, latency.iqr_ms)
    return (
        f"{median}, 95th percentile {formatting.milliseconds(latency.p95_ms)}; batch {latency.batch}, "
        f"{latency.repeats} repeats, {_text(latency.runtime)}, {_text(latency.device)}"
    )


def _exact(name: str, value: float) -> str:
    """A cost in short and, where that rounds it, in full."""
    short = formatting.metric(name, value)
    return f"{short} ({round(value):,})" if value >= 1000 and float(value).is_integer() else short


def _options(options: Mapping[str, object]) -> str:
    return (
        ", ".join(f"{name.replace('_', ' ')} {_text(str(value))}" for name, value in options.items())
        or "no options"
    )


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _table(head: Iterable[str], rows: Iterable[Sequence[str]]) -> list[str]:
    head = list(head)
    return [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows)]


def _text(text: str) -> str:
    """Names and reasons are text: one line, and no Markdown of their own."""
    line = " ".join(text.split())
    return "".join(f"\\{sign}" if sign in r"\`*_[]<>|#" else sign for sign in line)


def _code(text: str) -> str:
    line = " ".join(text.split()).replace("|", r"\|")
    return f"`` {line} ``" if "`" in line else f"`{line}`"


def _link(path: str) -> str:
    return f"<{path}>" if " " in path or "(" in path else path
