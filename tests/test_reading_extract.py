"""The article out of a page: text, headline, tail, metadata, encodings, hostile pages."""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.errors import ParseError
from bot.model import PageText
from bot.reading.extract import page_text
from bot.reading.tail import trim_furniture
from bot.records import page_record

TITLE = "Lighthouse keeper retires after forty years"
BODY = {
    "en": (
        "The last keeper of the northern lighthouse retired on Monday after forty years on the island, the coast guard said.",
        "Nobody will follow him, because the lamp has been run by a computer in the harbour since the spring of last year.",
        "“I shall miss the storms more than the quiet nights,” he told a small crowd that had come over by boat to say goodbye.",
    ),
    "ru": (
        "Последний смотритель северного маяка ушёл на пенсию в понедельник после сорока лет работы на острове, сообщила береговая охрана.",
        "Нового смотрителя не будет: лампой с весны прошлого года управляет компьютер, который стоит в порту на другом берегу.",
        "«Я буду скучать по штормам больше, чем по тихим ночам», — сказал он жителям, которые приплыли проститься с ним на лодках.",
    ),
    "de": (
        "Der letzte Wärter des Leuchtturms ging am Montag nach vierzig Jahren in den Ruhestand, wie die Küstenwache mitteilte.",
        "Einen Nachfolger gibt es nicht, denn die Lampe wird seit dem vergangenen Frühjahr von einem Rechner im Hafen gesteuert.",
        "„Die Stürme werden mir mehr fehlen als die stillen Nächte“, sagte er vor den Leuten, die mit Booten zum Abschied gekommen waren.",
    ),
    "be": (
        "Апошні наглядчык паўночнага маяка пайшоў на пенсію ў панядзелак пасля сарака гадоў працы на востраве, паведаміла берагавая ахова.",
        "Новага наглядчыка не будзе: лямпай з вясны мінулага года кіруе камп'ютар, які стаіць у порце на другім беразе ракі.",
        "«Я буду сумаваць па штормах больш, чым па ціхіх начах», — сказаў ён людзям, якія прыплылі развітацца з ім на чаўнах.",
    ),
    "pl": (
        "Ostatni latarnik z północnej wyspy przeszedł w poniedziałek na emeryturę po czterdziestu latach pracy, podała straż przybrzeżna.",
        "Następcy nie będzie, bo od wiosny ubiegłego roku lampą steruje komputer, który stoi w porcie na drugim brzegu zatoki.",
        "„Bardziej niż cichych nocy będzie mi brakowało sztormów” – powiedział ludziom, którzy przypłynęli łodziami, żeby go pożegnać.",
    ),
}  # fmt: skip


def html_of(
    paragraphs: tuple[str, ...], *, head: str = "", lang: str = "en", above: str = f"<h1>{TITLE}</h1>", below: str = ""
) -> str:
    inner = "".join(f"<p>{escape(paragraph)}</p>" for paragraph in paragraphs)
    return (
        f'<!doctype html><html lang="{lang}"><head><title>{TITLE} | The Shore</title>{head}</head>'
        f"<body><nav><a href='/'>Home</a></nav><main><article>{above}{inner}{below}</article></main></body></html>"
    )


def paragraphs_of(page: PageText) -> list[str]:
    return page.text.split("\n\n")


def test_paragraphs_are_separated_by_a_blank_line_and_the_headline_is_not_repeated() -> None:
    page = page_text(html_of(BODY["en"]))
    assert paragraphs_of(page) == list(BODY["en"])
    assert page.title == f"{TITLE} | The Shore"[: len(page.title)]


def test_a_line_break_is_a_space_and_two_of_them_are_a_border() -> None:
    one, two, three = BODY["en"]
    html = html_of((), below=f"<p>{one}<br>{two}<br><br>{three}</p><p>{one[::-1]}</p>")
    assert paragraphs_of(page_text(html))[:2] == [f"{one} {two}", three]


def test_a_row_of_a_table_and_an_item_of_a_list_are_paragraphs() -> None:
    below = (
        "<table><tr><td>North pier lamp</td><td>built 1901</td></tr><tr><td>South pier lamp</td><td>built 1932</td></tr></table>"
        "<ul><li>The first boat leaves the harbour at nine.</li><li>The last boat comes back at seven.</li></ul>"
        f"<p>{BODY['en'][1]}</p>"
    )
    found = paragraphs_of(page_text(html_of(BODY["en"], below=below)))
    assert {"North pier lamp | built 1901", "The last boat comes back at seven."} <= set(found)


def test_a_by_line_stays_and_what_is_for_listeners_goes() -> None:
    above = f"<h1>{TITLE}</h1><p>3 min read</p><p>By Jane Roe</p><p>Listen to this article</p>"
    found = paragraphs_of(page_text(html_of(BODY["en"], above=above)))
    assert found[-3:] == list(BODY["en"])
    assert not {"3 min read", "Listen to this article"} & set(found)
    assert trim_furniture(["By Jane Roe", "5-minute read", *BODY["en"]]).paragraphs == ("By Jane Roe", *BODY["en"])


TAILS = {
    "a list under Read more": ("en", ["Read more:", "Pick your own weather chart", "Storm closes two ports"]),
    "a header and one line that is on no list": ("en", ["Read more:", "Get your custom TIDE reading"]),
    "related stories that are sentences": ("en", ["Related", "Ferry runs again.", "Why do gulls follow boats?"]),
    "a header that names its subject": ("en", ["More on this story", "Fog on the coast", "Fog in the harbour"]),
    "sharing and following": ("en", ["Follow us on Example", "Share this article"]),
    "a newsletter": ("en", ["Sign up for our newsletter and get the tides in your inbox every morning."]),
    "a credit and a correction": ("en", ["Photo: Jane Roe", "This article was updated on Tuesday with a new date."]),
    "a wire's tag line": ("en", ["(Reporting by Jane Roe in Northport; editing by John Doe)"]),
    "copyright and address": (
        "en",
        ["© 2026 The Shore. All rights reserved.", "newsroom@example.org", "+1 555 010 0199"],
    ),
    "comments": ("en", ["Comments"]),
    "a Russian list": ("ru", ["Читайте также:", "Шторм закрыл два порта", "Паром снова ходит"]),
    "a Russian channel": ("ru", ["Подписывайтесь на наш канал, чтобы не пропустить главное.", "Фото: Иван Петров"]),
    "a Russian correction": ("ru", ["Нашли ошибку? Выделите её и нажмите Ctrl+Enter"]),
    "a Russian subject": ("ru", ["Материалы по теме", "Туман на берегу", "Маяк продан"]),
    "a German list": ("de", ["Mehr zum Thema", "Sturm schließt zwei Häfen", "Fähre fährt wieder"]),
    "a German credit": ("de", ["Quelle: eigene Recherche", "Foto: Erika Muster"]),
    "a German promotion": ("de", ["Das könnte Sie auch interessieren:", "Warum folgen Möwen den Booten?"]),
    "a Belarusian list": ("be", ["Чытайце таксама:", "Шторм зачыніў два порты", "Паром зноў ходзіць"]),
    "a Belarusian channel": ("be", ["Падпісвайцеся на наш канал", "Фота: Алесь Гарун"]),
    "a Polish list": ("pl", ["Zobacz też", "Sztorm zamknął dwa porty", "Prom znowu kursuje"]),
    "a Polish credit": ("pl", ["Fot. Anna Nowak", "Źródło: własne"]),
    "a Polish link": ("pl", ["Czytaj także: Prom znowu kursuje między brzegami"]),
}


@pytest.mark.parametrize("name", TAILS)
def test_a_tail_is_cut_and_the_last_sentence_of_the_article_stays(name: str) -> None:
    lang, tail = TAILS[name]
    assert trim_furniture([*BODY[lang], *tail]).paragraphs == BODY[lang]


def test_a_tail_is_cut_from_a_real_page() -> None:
    below = "<p><strong>Read more:</strong></p><p><a href='/x'>Get your custom TIDE reading</a></p>"
    assert paragraphs_of(page_text(html_of(BODY["en"], below=below))) == list(BODY["en"])


ENDINGS = {
    "a short last sentence": ["He left by boat."],
    "a short answer": ["“No comment,” he said."],
    "short sentences below a word that is no header": ["What comes next", "He does not know.", "Nobody does."],
    "an advertisement in the middle": ["Advertisement", "He left by boat.", "The lamp stayed on."],
    "a quotation below a header": ["Read more", "“I have read more books than you think,” he said."],
    "a sentence that begins like a line": ["Comments were few.", "Share prices fell."],
    "a long paragraph below a header": ["See also", BODY["en"][1]],
    "an ending in Russian": ["Реклама не помогла.", "Он уплыл."],
}


@pytest.mark.parametrize("name", ENDINGS)
def test_the_articles_own_ending_is_never_cut(name: str) -> None:
    text = [*BODY["en"], *ENDINGS[name]]
    assert trim_furniture(text).paragraphs == tuple(text)


def test_a_list_longer_than_the_article_is_cut_below_a_certain_header_only() -> None:
    heads = [f"Another long headline of the day about matter number {number} of the coast" for number in range(20)]
    assert trim_furniture([*BODY["en"], "Related stories", *heads]).paragraphs == BODY["en"]
    kept = [*BODY["en"], "Comments", *heads]
    assert trim_furniture(kept).paragraphs == tuple(kept)


def test_a_sentence_about_reading_on_is_no_paywall() -> None:
    text = (*BODY["en"], "He wants the children of the island to keep reading.")
    assert (trim_furniture(text).paragraphs, trim_furniture(text).wall) == (text, False)


def test_lines_take_no_more_than_three_paragraphs_or_a_fifth_of_the_text() -> None:
    lines = [f"Photo: Photographer number {number}" for number in range(6)]
    assert len(trim_furniture([*BODY["en"], *lines]).paragraphs) == len(BODY["en"]) + 3
    short = ["The lamp is out.", "This article was updated on Tuesday with the name of the island and the year."]
    assert trim_furniture(short).paragraphs == tuple(short)


@pytest.mark.parametrize(
    ("lang", "line"),
    [
        ("en", "Subscribe to continue reading this story."),
        ("en", "This article is for subscribers only. Already a subscriber? Log in"),
        ("ru", "Чтобы читать дальше, оформите подписку."),
        ("de", "Jetzt weiterlesen mit dem Probeabo"),
        ("pl", "Aby czytać dalej, wykup dostęp."),
    ],
)
def test_a_paywall_line_is_seen_and_is_not_text(lang: str, line: str) -> None:
    trimmed = trim_furniture([*BODY[lang], line, "1 € a month"])
    assert (trimmed.paragraphs, trimmed.wall) == (BODY[lang], True)
    assert not trim_furniture(BODY[lang]).wall


def test_a_paywall_line_is_seen_on_a_page() -> None:
    page = page_text(html_of(BODY["en"], below="<p>Subscribe to continue reading this story.</p>"))
    assert (page.wall, paragraphs_of(page)) == (True, list(BODY["en"]))


LINKED = """<script type="application/ld+json">{"@context": "https://schema.org", "@graph": [
  {"@type": "WebSite", "name": "The Shore"},
  {"@type": ["NewsArticle"], "headline": "Lighthouse keeper retires", "wordCount": "1,240", "inLanguage": "en-GB",
   "datePublished": "2026-03-02T10:15:00+02:00", "publisher": {"@type": "Organization", "name": "The Shore"},
   "author": [{"@type": "Person", "name": "Jane Roe"}, {"@type": "Organization", "name": "The Shore"}]}]}</script>"""


def test_json_ld_gives_author_time_and_length() -> None:
    page = page_text(html_of(BODY["en"], head=LINKED))
    assert page.title == "Lighthouse keeper retires"
    assert (page.author, page.words_said, page.lang) == ("Jane Roe", 1240, "en")
    assert page.published_at == datetime(2026, 3, 2, 8, 15, tzinfo=UTC)


def test_meta_gives_time_with_its_zone_title_and_author() -> None:
    head = (
        '<meta property="article:published_time" content="2026-03-02T10:15:00-05:00"><meta name="date" content="2026-03-01">'
        f'<meta property="og:title" content="{TITLE} - The Shore"><meta property="og:site_name" content="The Shore">'
        '<meta name="author" content="By Jane Roe">'
    )
    page = page_text(html_of(BODY["en"], head=head))
    assert (page.title, page.author) == (TITLE, "Jane Roe")
    assert page.published_at == datetime(2026, 3, 2, 15, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("head", "below", "expected"),
    [
        ('<meta name="date" content="2026-03-02">', "", datetime(2026, 3, 2, tzinfo=UTC)),
        ('<meta name="date" content="Mon, 02 Mar 2026 10:00:00 +0100">', "", datetime(2026, 3, 2, 9, tzinfo=UTC)),
        ("", '<time datetime="2026-03-02T10:00:00Z">today</time>', datetime(2026, 3, 2, 10, tzinfo=UTC)),
        ('<meta name="date" content="1970-01-01T00:00:00Z">', "", None),
        ('<meta name="date" content="0001-01-01T00:00:00+14:00">', "", None),
        ('<meta name="date" content="yesterday">', "", None),
    ],
)
def test_a_time_is_read_in_any_form_or_not_at_all(head: str, below: str, expected: datetime | None) -> None:
    assert page_text(html_of(BODY["en"], head=head, below=below)).published_at == expected


@pytest.mark.parametrize("author", ["The Shore", "https://example.org/jane", "jane@example.org", " ", "17"])
def test_what_is_no_persons_name_is_no_author(author: str) -> None:
    head = f'<meta property="og:site_name" content="The Shore"><meta name="author" content="{author}">'
    assert page_text(html_of(BODY["en"], head=head)).author == ""


def test_the_language_is_declared_or_read_from_the_letters() -> None:
    assert page_text(html_of(BODY["de"], lang="de-AT")).lang == "de"
    assert page_text(html_of(BODY["ru"], lang="en")).lang == "ru"
    locale = '<meta property="og:locale" content="pl_PL">'
    assert page_text(html_of(BODY["pl"], head=locale, lang="")).lang == "pl"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1251", "koi8-r", "iso8859-5", "cp866"])
@pytest.mark.parametrize("charset", [None, "utf-8", "no-such-charset", "punycode"])
def test_undeclared_and_wrongly_declared_cyrillic_is_read(encoding: str, charset: str | None) -> None:
    page = page_text(html_of(BODY["ru"], lang="ru").encode(encoding, errors="xmlcharrefreplace"), charset=charset)
    assert paragraphs_of(page) == list(BODY["ru"])


@pytest.mark.parametrize("encoding", ["cp1251", "koi8-r"])
def test_cyrillic_declared_as_western_is_read(encoding: str) -> None:
    page = page_text(html_of(BODY["ru"], lang="ru").encode(encoding, "xmlcharrefreplace"), charset="iso-8859-1")
    assert paragraphs_of(page) == list(BODY["ru"])


def test_header_and_meta_declare_an_encoding() -> None:
    greek = ("Ο τελευταίος φύλακας του φάρου συνταξιοδοτήθηκε τη Δευτέρα μετά από σαράντα χρόνια στο νησί.",) * 3
    html = html_of(greek, head='<meta http-equiv="Content-Type" content="text/html; charset=windows-1253">', lang="el")
    assert greek[0] in page_text(html.encode("cp1253")).text
    assert greek[0] in page_text(html_of(greek, lang="el").encode("iso8859-7"), charset="ISO-8859-7").text


def test_western_pages_and_single_broken_bytes_are_read() -> None:
    html = html_of(BODY["de"], lang="de")
    assert paragraphs_of(page_text(html.encode("cp1252"), charset="iso-8859-1")) == list(BODY["de"])
    assert paragraphs_of(page_text(html.encode("cp1252"))) == list(BODY["de"])
    broken = html_of(BODY["ru"], lang="ru").encode().replace(b"<h1>", b"\xff<h1>")
    assert paragraphs_of(page_text(broken))[-2:] == list(BODY["ru"][1:])


HOSTILE: dict[str, bytes | str] = {
    "nothing": b"",
    "white space": "  \n ",
    "no body": "<html><head><title>x</title></head></html>",
    "only text": "just a few words",
    "NULs": b"\x00" * 5000,
    "noise": bytes(range(256)) * 40,
    "nested": "<div>" * 30_000 + "deep",
    "nested lists": "<ul><li>" * 15_000,
    "one attribute": f'<p title="{"x" * 2_000_000}">x',
    "ampersands": "<p>" + "&" * 500_000,
    "a comment without an end": "<html><body><!-- " + "x" * 100_000,
    "a script without an end": "<script>" + "<" * 1000,
    "a wrong declaration": '<?xml version="1.0" encoding="utf-99"?><html><body><p>x</p>',
    "surrogates": "<html><body><p>\ud800 \udfff</p>",
    "frames": "<frameset><frame src=x></frameset>",
    "an image": b"\x89PNG\r\n\x1a\n" + bytes(2000),
    "nested JSON-LD": f'<script type="application/ld+json">{"[" * 90_000}</script><p>x',
    "strange JSON-LD": '<script type="application/ld+json">{"@type":"Article","author":{"name":{"name":{}}},"wordCount":1e999}</script>',
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_page_without_an_article_has_an_empty_or_harmless_text_and_raises_nothing(name: str) -> None:
    assert len(page_text(HOSTILE[name]).text) < 100


@pytest.mark.parametrize(
    "html", ["<" * 40_001, "<p>" * 40_001, "x" * 3_000_001, b"x" * 3_000_001, "<p>я</p>".encode("utf-16") * 40_001]
)
def test_a_page_that_is_too_large_is_refused_before_it_is_parsed(html: bytes | str) -> None:
    with pytest.raises(ParseError) as caught:
        page_text(html)
    assert caught.value.reason == "too_large"


def test_broken_markup_still_yields_the_article() -> None:
    unclosed = f"<html><body><article><h1>{TITLE}</h1>" + "".join(f"<p>{each}" for each in BODY["en"])
    assert paragraphs_of(page_text(unclosed)) == list(BODY["en"])
    nulls = html_of(BODY["en"]).replace("lighthouse", "light\x00house").encode()
    assert paragraphs_of(page_text(nulls)) == list(BODY["en"])


def test_extraction_says_nothing_on_the_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    for html in ("", "<p>x", html_of(BODY["en"]), b"\x00", "<html><body></body></html>"):
        page_text(html)
    assert capfd.readouterr() == ("", "")


def test_the_record_is_the_contracts() -> None:
    page = page_text(html_of(BODY["en"], head=LINKED))
    assert page_record(page) == {
        "title": "Lighthouse keeper retires",
        "author": "Jane Roe",
        "published": "2026-03-02T08:15:00Z",
        "lang": "en",
        "text": "\n\n".join(BODY["en"]),
    }
    assert page_record(PageText()) == {"title": None, "author": None, "published": None, "lang": None, "text": ""}


FRAGMENTS = st.sampled_from(
    ["<p>", "</p>", "<div", ">", "<table><tr><td>", "</article>", "<br>", "<h1>", "<li>", "&nbsp;", "&#0;", "<!--", "]]>", "text ",
     BODY["en"][0], "<time datetime=x>", '<meta property="og:title" content=', "<blockquote>", "<title>", "\x00", "\ud900", "Read more:"]
)  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(FRAGMENTS, max_size=40).map("".join))
def test_whatever_stands_in_a_page_its_text_is_clean_paragraphs(html: str) -> None:
    text = page_text(html).text
    assert all(part == " ".join(part.split()) and part for part in text.split("\n\n") if text)
    text.encode()
