"""What of a folder was likely read otherwise than meant: lines for a log or a list."""

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable

from tfipgan.data.filenames import EXAMPLE_GROUPS, find_pattern
from tfipgan.data.image_files import ImageFiles
from tfipgan.errors import first_few, shorten_name

_EXAMPLES = 3
_CUT = "cuts numbers"
_HYPHEN = "takes a hyphen for the sign of -1"
_ADVICE = {
    _CUT: "let it hold the whole number, like {}",
    _HYPHEN: "put what stands before it into the pattern, like id-{}",
}
# What a group beside a number may hold, to divide digits on purpose.
_DIVIDED = re.compile("-|[0-9]+")


def passed_over(files: ImageFiles) -> list[str]:
    """Return a line for each kind of skipped file or folder that may have images."""
    lines = []
    if files.unread:
        kinds = Counter(_ending(name) for name in files.unread)
        counts = ", ".join(f"{count:,} {kind}" for kind, count in kinds.most_common())
        names = first_few(map(shorten_name, files.unread), _EXAMPLES)
        lines.append(
            f"files passed over, images of no kind that is read ({counts}): {names}; "
            "convert them to JPEG or PNG, with its ending, or remove them"
        )
    if files.closed:
        names = first_few(map(shorten_name, files.closed), _EXAMPLES)
        lines.append(
            f"folders passed over, which this user may not read: {names}; allow "
            "reading them if they hold images"
        )
    if files.below:
        names = first_few(map(shorten_name, files.below), _EXAMPLES)
        lines.append(
            "images passed over in folders below, where none is read "
            f"({len(files.below):,}): {names}; move them up, or remove them"
        )
    return lines


def misread_numbers(names: Iterable[str], pattern: re.Pattern[str]) -> list[str]:
    """Return a line for each group of a pattern that probably reads wrong numbers.

    A number is cut where it goes on beside the group: with a digit directly before or
    behind, or a `-` before that can be its sign, which is one at the path's start or
    behind neither a letter nor a digit: `-1_c2`, `a/-1_c2`, but not `id-12`. Such a
    digit or `-` is left out on purpose if another group holds it and nothing else,
    as in `(?P<person>[0-9]{4})([0-9]{3})`. The other way round, a pattern that is
    found from the `-` of `id-1` on takes a hyphen for a sign.

    Args:
        names: paths below the folder, with `/`; those that don't match are left out.
        pattern: from `compile_pattern`.
    """
    count = 0
    misread: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name in names:
        count += 1
        match = find_pattern(name, pattern)
        if match is None:
            continue
        for group in EXAMPLE_GROUPS.keys() & pattern.groupindex.keys():
            how = _misread(match, group)
            if how:
                misread[group, how].append(f"{shorten_name(name)} (as {match[group]})")
    return [
        f"the pattern's group {group} {how} ({len(found):,} of {count:,}): "
        f"{first_few(found, _EXAMPLES)}; {_ADVICE[how].format(EXAMPLE_GROUPS[group])}"
        for (group, how), found in sorted(misread.items())
    ]


def _misread(match: re.Match[str], group: str) -> str | None:
    text, (start, end) = match.string, match.span(group)
    others = [
        match.span(number)
        for number in range(1, match.re.groups + 1)
        if _DIVIDED.fullmatch(match[number] or "")
    ]
    before, behind = text[start - 1 : start], text[end : end + 1]
    word = text[start - 2 : start - 1].isalnum()
    if match[group].startswith("-"):
        if before.isalnum() and start == match.start():
            return _HYPHEN
    elif before.isdecimal() or (before == "-" and not word):
        if start not in {last for _, last in others}:
            return _CUT
    if behind.isdecimal() and end not in {first for first, _ in others}:
        return _CUT
    return None


def _ending(name: str) -> str:
    ending = os.path.splitext(name)[1].lower()
    return ending if len(ending) > 1 else "without an ending"
