"""regex: what `re` lacks (fuzzy and recursive patterns, sets, overlaps, properties), threads, errors, pickles."""

import regex

from exercise import digest, in_threads, pickled, raised

DISTRIBUTION = "regex"

NESTED = regex.compile(r"\((?:[^()]++|(?R))*+\)")
FUZZY = regex.compile(r"(?b)(?:interpreter){e<=3}")


def text(seed):
    return " ".join(f"wörd{i * seed % 17} ({i}(a{i})b) 2024-0{i % 9 + 1}-11 interpeter" for i in range(40))


def found(seed):
    return [digest(NESTED.findall(text(seed))), len(FUZZY.findall(text(seed), concurrent=True))]


def work(seed):
    data = text(seed)
    dates = regex.compile(r"(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)")
    assert pickled(dates).pattern == dates.pattern and pickled(dates).flags == dates.flags
    match = regex.match(r"(?:(\w)\s?)+", "a b c d")
    return {
        "threads": in_threads(found, range(seed, seed + 6)),
        "fuzzy": FUZZY.search("an intrpeterr here").fuzzy_counts,
        "captures": match.captures(1),
        "overlapped": regex.findall(r"\w{3}", f"abcde{seed}", overlapped=True),
        "properties": regex.findall(r"(?V1)[[\p{Script=Greek}||\p{Lu}]--[A-M]]", "aAzZ αΩ NMö"),
        "graphemes": len(regex.findall(r"\X", "e\u0301a👩‍👩‍👧")),
        "replaced": digest(dates.sub(lambda m: f"{m['day']}.{m['month']}.{m['year']}", data)),
        "expanded": digest(dates.subf("{year[0]}/{month}", data)),
        "split": digest(regex.split(r"(?V1)(?<=\))\s", data)),
        "named": regex.search(r"\L<words>", data, words=["wörd3", "wörd5", "a1"]).group(),
        "partial": regex.fullmatch(r"\d{4}-\d\d", "2024-", partial=True).partial,
        "errors": [
            raised(regex.error, regex.compile, pattern) for pattern in ("(a", "[b", r"\p{Nonsense}", "(?<a", "*")
        ]
        + [raised(TimeoutError, lambda: regex.match(r"(?:a|aa)+$", "a" * 60 + "b", timeout=0.001))],
    }
