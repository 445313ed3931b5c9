"""Which text of an item is read, and what is said where something was missing."""

from __future__ import annotations

import pytest

from bot.model import PageText
from bot.reading.choose import Chosen, choose_text, whole_enough

TITLE = "Harbour council approves new ferry line"
TEASER = "The harbour council voted on Tuesday for a ferry line between both shores."
PARAGRAPH = (
    "The harbour council approved a new ferry line on Tuesday evening after a debate that lasted four hours, and members "
    "of both groups said that the boats could sail as early as next spring if the shipyard delivers them in time. "
)
ARTICLE = "\n\n".join([TEASER, PARAGRAPH * 2, PARAGRAPH + "Nobody objected."])


def page(text: str, *, title: str = TITLE, words_said: int = 0, wall: bool = False) -> PageText:
    return PageText(title=title, text=text, words_said=words_said, wall=wall)


def test_a_long_text_of_several_paragraphs_is_whole() -> None:
    assert whole_enough("\n\n".join([PARAGRAPH * 4, PARAGRAPH * 4]))


@pytest.mark.parametrize(
    "end",
    [
        "",
        " […]",
        " …",
        "\n\nRead more",
        "\n\nContinue reading →",
        "\n\nhttps://example.org/story",
        "\n\nЧитать далее »",
    ],
)
def test_a_text_that_is_cut_off_or_has_one_paragraph_is_not_whole(end: str) -> None:
    body = PARAGRAPH * 8 if not end else "\n\n".join([PARAGRAPH * 4, PARAGRAPH * 4])
    assert not whole_enough(body.strip() + end)
    assert not whole_enough(TEASER + end)


def test_the_page_wins_where_it_is_longer_and_tells_the_same() -> None:
    assert choose_text(title=TITLE, feed_text=TEASER, page=page(ARTICLE)) == Chosen(TITLE, ARTICLE, "full", "")


def test_without_a_page_the_feed_counts_as_whole_or_as_a_teaser_that_says_why() -> None:
    whole = "\n\n".join([PARAGRAPH * 4, PARAGRAPH * 4])
    assert choose_text(title=TITLE, feed_text=whole, page=None).kind == "feed"
    assert choose_text(title=TITLE, feed_text=TEASER, page=None) == Chosen(
        TITLE, TEASER, "teaser", "only the teaser was read"
    )
    refused = choose_text(title=TITLE, feed_text=TEASER, page=None, failure="the page answered 403")
    assert refused.note == "only the teaser was read: the page answered 403"


OTHER_PAGES = {
    "a consent page": (
        "We value your privacy. We and our partners store information on a device. You can manage your choices. " * 6,
        "only the teaser was read: the page asks for consent to cookies",
    ),
    "a Polish consent page": (
        "Szanujemy Twoją prywatność. Nasi partnerzy przechowują informacje na urządzeniu i mają do nich dostęp. " * 6,
        "only the teaser was read: the page asks for consent to cookies",
    ),
    "a login page": (
        "Please sign in to go on. Forgot your password? New here? Registration takes a minute and costs nothing. " * 6,
        "only the teaser was read: the page asks for a login",
    ),
    "a page for scripts only": (
        "Please enable JavaScript in your browser and load this page again to see what is here for you to see. " * 6,
        "only the teaser was read: the page needs JavaScript",
    ),
    "an error page": (
        "Page not found. Perhaps it moved, perhaps it never was; try the search or go back to the start of the site. "
        * 6,
        "only the teaser was read: the page says that there is no such article",
    ),
    "another article": (
        "Tomatoes want warmth, water and patience, says a gardener who has grown them for thirty years in the south. "
        * 6,
        "only the teaser was read: the page does not seem to be this article",
    ),
    "an empty page": ("", "only the teaser was read: the page holds no article text"),
    "a short page": (TEASER + " No.", "only the teaser was read: the page holds no more than the feed"),
}


@pytest.mark.parametrize("name", OTHER_PAGES)
def test_a_page_that_is_not_the_article_loses_against_the_teaser_says_why_and_may_come_again(name: str) -> None:
    text, note = OTHER_PAGES[name]
    assert choose_text(title=TITLE, feed_text=TEASER, page=page(text, title="")) == Chosen(
        TITLE, TEASER, "teaser", note, again=name != "a short page"
    )


def test_an_article_about_cookies_is_not_taken_for_a_consent_page() -> None:
    text = "The council says: we use cookies on the ferry site. " + ARTICLE
    assert choose_text(title=TITLE, feed_text=TEASER, page=page(text)).kind == "full"


def test_a_short_article_is_an_article() -> None:
    text = "The ferries stay in port, and sanctions follow on Friday."
    chosen = choose_text(title="Ferries stay in port", feed_text="Ferries.", page=page(text))
    assert (chosen.text, chosen.kind) == (text, "full")


def test_a_headline_whose_words_never_come_back_is_known_by_the_headline_of_the_page() -> None:
    chosen = choose_text(
        title="Ahoy there, commuters!", feed_text="More.", page=page(ARTICLE, title="Ahoy there, commuters")
    )
    assert chosen.kind == "full"
    assert choose_text(title="Ahoy there, commuters!", feed_text="More.", page=page(ARTICLE, title="Tomatoes")).again


def test_a_consent_page_that_bears_the_headline_is_still_a_consent_page() -> None:
    text = OTHER_PAGES["a Polish consent page"][0]
    assert choose_text(title=TITLE, feed_text=TEASER, page=page(text, title=TITLE)).kind == "teaser"


def test_a_title_in_other_words_is_made_good_by_the_teaser() -> None:
    chosen = choose_text(title="Ahoy there, commuters!", feed_text=TEASER, page=page(ARTICLE))
    assert chosen.kind == "full"


def test_text_that_stops_at_a_paywall_or_far_below_its_own_word_count_is_partly_read() -> None:
    walled = choose_text(title=TITLE, feed_text=TEASER, page=page(ARTICLE, wall=True))
    assert (walled.kind, walled.text) == ("partly", ARTICLE)
    assert "paywall" in walled.note
    short = choose_text(title=TITLE, feed_text=TEASER, page=page(ARTICLE, words_said=1000))
    assert short.kind == "partly"
    assert choose_text(title=TITLE, feed_text=TEASER, page=page(ARTICLE, words_said=150)).kind == "full"


def test_a_page_no_longer_than_a_whole_feed_text_leaves_the_feed_text() -> None:
    whole = "\n\n".join([PARAGRAPH * 4, PARAGRAPH * 4])
    assert choose_text(title=TITLE, feed_text=whole, page=page(whole)) == Chosen(TITLE, whole, "feed", "")


def test_an_item_without_a_title_takes_the_pages() -> None:
    assert choose_text(title="", feed_text="", page=page(ARTICLE)) == Chosen(TITLE, ARTICLE, "full", "")
