"""Which language a text is in, as far as its script and letters say so. Pure and cheap; it never guesses among Latin scripts."""

from __future__ import annotations

import re
from typing import Final

_WITHIN: Final = 20_000
_FEW: Final = 0.01
_BULGARIAN: Final = 0.005
_PRIMARY: Final = re.compile(r"[A-Za-z]{2,3}(?=$|[-_])")
_SCRIPTS: Final = {
    "Latn": re.compile(r"[A-Za-zÀ-ÖØ-öø-ɏ]"),
    "Cyrl": re.compile(r"[Ѐ-ԯ]"),
    "Grek": re.compile(r"[Ͱ-Ͽ]"),
    "Hebr": re.compile(r"[א-ת]"),
    "Arab": re.compile(r"[ء-ۿ]"),
    "Geor": re.compile(r"[ა-ჿ]"),
    "Armn": re.compile(r"[Ա-և]"),
    "Hang": re.compile(r"[가-힣]"),
    "Jpan": re.compile(r"[぀-ヿ]"),
    "Hani": re.compile(r"[一-鿿]"),
    "Thai": re.compile(r"[ก-๛]"),
    "Deva": re.compile(r"[ऀ-ॿ]"),
}
_ONE_LANGUAGE: Final = {
    "Grek": "el",
    "Hebr": "he",
    "Geor": "ka",
    "Armn": "hy",
    "Hang": "ko",
    "Jpan": "ja",
    "Thai": "th",
}
# Languages that are not written in Latin letters. Those written in two scripts (sr, kk, uz, az, …) are contradicted by none.
_WRITTEN_IN: Final = {
    **{code: {"Cyrl"} for code in ("ru", "be", "uk", "bg", "mk", "ky", "tg", "tt", "ba", "cv")},
    **{code: {script} for script, code in _ONE_LANGUAGE.items()},
    **{code: {"Arab"} for code in ("ar", "fa", "ur", "ps")},
    **{code: {"Deva"} for code in ("hi", "mr", "ne")},
    "yi": {"Hebr"},
    "ja": {"Jpan", "Hani"},
    "zh": {"Hani"},
    "ko": {"Hang", "Hani"},
}
_EITHER: Final = frozenset({"sr", "sh", "bs", "me", "cnr", "kk", "uz", "az", "tk", "mn", "mo", "ro", "ku", "be", "crh"})
_LACKS: Final = {"ru": "іўїєґ", "be": "ищъїєґ", "uk": "ыэёъў"}


def language_of(text: str, declared: str | None) -> str | None:
    """Return the language as a BCP 47 primary subtag in lower case ("en-US" → "en"), None where nobody can say.

    What is declared holds unless the text's letters contradict it; undeclared, the letters decide where they can.
    """
    found = _PRIMARY.match((declared or "").strip())
    code = found.group().lower() if found else None
    sample = text[:_WITHIN]
    script = _script(sample)
    if code is not None and not _contradicted(code, script, sample):
        return code
    if script == "Cyrl":
        letters = _cyrillic(sample.lower())
        return letters or (code if code is not None and script in _WRITTEN_IN.get(code, ()) else None)
    return _ONE_LANGUAGE.get(script) if script != "Hani" else "zh"


def _script(text: str) -> str:
    """Return the script (ISO 15924) of most of the letters, "" where there are none. Kana makes Han Japanese."""
    counts = {script: len(pattern.findall(text)) for script, pattern in _SCRIPTS.items()}
    if counts["Jpan"] * 10 > counts["Hani"] > 0:
        counts["Jpan"] += counts["Hani"]
    best = max(counts, key=lambda script: counts[script])
    return best if counts[best] else ""


def _contradicted(code: str, script: str, text: str) -> bool:
    if not script or (code in _EITHER and script in {"Latn", "Cyrl"} and code not in _LACKS):
        return False
    if script not in _WRITTEN_IN.get(code, {"Latn"}) and not (code == "be" and script == "Latn"):
        return True
    foreign = sum(text.lower().count(letter) for letter in _LACKS.get(code, ""))
    return foreign > _FEW * len(_SCRIPTS["Cyrl"].findall(text)) if script == "Cyrl" else False


def _cyrillic(text: str) -> str | None:
    """Return the language that the letters of a lower-case Cyrillic text give away, None where they give nothing away."""

    def count(letters: str) -> int:
        return sum(text.count(letter) for letter in letters)

    length = len(_SCRIPTS["Cyrl"].findall(text))
    if count("әқңғүұөһ") > _FEW * length:
        return "kk"
    if count("јљњћђџѓќѕ") > _FEW * length:
        return "mk" if count("ѓќѕ") else "sr"
    if count("іўїєґ") > _FEW * length:
        return "be" if count("ўыэ") > count("їєґ") and count("и") <= count("і") else "uk"
    if not count("ыэё") and count("ъ") > _BULGARIAN * length and length > 200:  # noqa: PLR2004  letters enough to miss ы in
        return "bg"
    return "ru" if count("ыэёъ") else None
