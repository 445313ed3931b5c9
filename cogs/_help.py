"""What /help says, by topic. Texts alone; nothing of others is in them."""

from __future__ import annotations

HELP: dict[str, str] = {
    "start": (
        "wirewatch polls news feeds, reads the articles behind them, and tells a channel once when one matches.\n\n"
        "1. `/feed add` subscribes this server to a feed.\n"
        "2. `/watch add` says what to look for, and posts to the channel you ask in.\n"
        "3. `/latest` shows what lately matched, `/why` explains a link.\n\n"
        "More, under `/help topic:` · `commands`, `query`, `actors`, `alerts`, `rights`."
    ),
    "commands": (
        "`/feed` `add` · `edit` · `remove` · `pause` · `resume` · `release` · `list` · `test` · `import` · `export`\n"
        "`/watch` `add` · `edit` · `remove` · `pause` · `resume` · `list` · `show`\n"
        "`/actor` `add` · `edit` · `remove` · `alias add` · `alias remove` · `list` · `show`\n"
        "`/latest` · what lately matched; `query:` looks through everything that was read\n"
        "`/why` · why a link was posted, or was not\n"
        "`/status` · how feeds and alerts are\n\n"
        "`list`, `show`, `test` of a known feed, `/latest`, `/why` and `/status` are for everybody; the rest is for managers."
    ),
    "query": (
        '`sanctions` · that word, in any form\n`"prime minister"` · that phrase\n`=Sochi` · exactly so\n`sanction*` · words that begin so\n'
        "`sanctions Belarus` · both\n`sanctions OR embargo` · one is enough\n"
        "`sanctions -sport`, `sanctions NOT sport` · without\n`(sanctions OR embargo) Belarus` · brackets say what belongs together\n"
        '`actor:"Alexander Lukashenko"` · a person, in every known spelling\n'
        "`title:sanctions`, `text:sanctions` · in the headline, in the text\n"
        '`sanctions NEAR/5 Minsk` · at most five words apart\n`source:example.org`, `source:"Harbour Post"` · from one outlet\n'
        "`lang:ru` · in one language\n\n"
        "`OR`, `AND`, `NOT` and `NEAR/5` count in capitals only; in small letters they are words. Acronyms too: `US` is not `us`."
    ),
    "actors": (
        "`/actor add` keeps a full name; `/actor alias add` gives it other spellings. In a query write "
        '`actor:"Full Name"`. A surname alone counts only in articles that give a fuller name; what you type as an alias counts as typed.'
    ),
    "alerts": (
        "A channel is told of each article once, by a message that says which words matched and where. The same address in another "
        "feed, whatever `utm_` stands behind it, edits that message; under another address even the same text is told of again. "
        "When the article is edited, the message says what changed, and what it was posted for and is gone. "
        "Subscribing posts nothing old. What could be read only as a teaser says so."
    ),
    "rights": (
        "Adding, changing and removing is for people with Manage Server, or with the role that the operator named. "
        "Everybody may look, and sees the watches whose channel they can see. Server Settings → Integrations narrows that further."
    ),
}
