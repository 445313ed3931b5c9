"""What is owed to people: alerts from pending over sending to sent, and better cards for what was sent.

Owns the table alerts. A post is claimed in a transaction of its own before anyone talks to the network, under a lease; only the
holder of the lease may settle it. A post whose lease ran out is nobody's to repeat blindly: whether it arrived is unknown, so
`reclaim` hands it out as in doubt, to an outlet that looks before it posts again.
"""

from __future__ import annotations

import json
import secrets
from base64 import b32encode
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Literal

from bot.model import Alert, Delivery, Reading
from bot.store.channels import lift_pause, pause_channel
from bot.store.codec import PAYLOAD_VERSION, card_in, json_for, ms_for, opt_time_in, text_for, time_in

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Mapping

_NONCE_BYTES = 14
_LEASE_BYTES = 16
_DIGEST_ALERTS = 10  # one embed each, and a message takes ten

_DELIVERIES = """SELECT a.id, a.channel_id, a.thread_id, a.card, a.payload_version, a.nonce, a.attempts, a.message_id,
        a.first_sent_at, a.lease, a.edit_attempts, a.edit_lease, p.message_id, a.created_at, a.sent_late
    FROM alerts a LEFT JOIN alerts p ON p.story_key = a.story_key AND p.channel_id = a.channel_id
        AND p.thread_id = a.thread_id AND p.number = a.reply_to"""

_PARENT_TOLD = """NOT EXISTS (SELECT 1 FROM alerts r WHERE a.reply_to IS NOT NULL AND r.story_key = a.story_key
        AND r.channel_id = a.channel_id AND r.thread_id = a.thread_id AND r.number = a.reply_to
        AND r.state IN ('pending', 'sending'))"""
# One message of a channel is on its way at a time, and an answer waits for what it answers: readers see them in order.
# One that waits for its next try does not hold up the others.
_FREE = f"""a.state = 'pending' AND NOT EXISTS (SELECT 1 FROM paused_channels p
        WHERE p.channel_id = a.channel_id AND p.thread_id = a.thread_id)
    AND NOT EXISTS (SELECT 1 FROM alerts s WHERE s.channel_id = a.channel_id AND s.thread_id = a.thread_id
        AND s.state = 'sending')
    AND {_PARENT_TOLD}"""  # noqa: S608  # constants of this module

_PAUSED = """NOT EXISTS (SELECT 1 FROM paused_channels p WHERE p.channel_id = {0}.channel_id
        AND p.thread_id = {0}.thread_id AND (p.retry_at IS NULL OR p.retry_at > ?1))"""

# The first post of each channel that may go now. Channels are stepped over in the index, and each is asked for its own first: what
# else is pending there, thousands after a night without a network, is never looked at.
_FIRST_POSTS = f"""WITH RECURSIVE heads (id, channel_id, thread_id) AS (
        SELECT * FROM (SELECT id, channel_id, thread_id FROM alerts INDEXED BY alerts_pending WHERE state = 'pending'
            ORDER BY channel_id, thread_id LIMIT 1)
        UNION ALL
        SELECT n.id, n.channel_id, n.thread_id FROM heads h JOIN alerts n ON n.id = (
            SELECT COALESCE(
                (SELECT t.id FROM alerts t INDEXED BY alerts_pending WHERE t.state = 'pending'
                    AND t.channel_id = h.channel_id AND t.thread_id > h.thread_id ORDER BY t.thread_id LIMIT 1),
                (SELECT c.id FROM alerts c INDEXED BY alerts_pending WHERE c.state = 'pending'
                    AND c.channel_id > h.channel_id ORDER BY c.channel_id, c.thread_id LIMIT 1)))),
    firsts (id) AS MATERIALIZED (SELECT (SELECT a.id FROM alerts a INDEXED BY alerts_pending
            WHERE a.channel_id = h.channel_id AND a.thread_id = h.thread_id AND a.state = 'pending' AND a.next_try_at <= ?1
                AND {_PARENT_TOLD} ORDER BY a.id LIMIT 1)
        FROM heads h WHERE NOT EXISTS (SELECT 1 FROM alerts s WHERE s.channel_id = h.channel_id AND s.thread_id = h.thread_id
            AND s.state = 'sending') AND {_PAUSED.format("h")})
    SELECT id FROM firsts WHERE id IS NOT NULL ORDER BY id LIMIT ?2"""  # noqa: S608  # constants of this module

# The plus keeps SQLite from walking over all that was ever sent: few of them have an edit.
_EDIT_OWED = "edit_state <> '' AND +state = 'sent'"
# An edit may be repeated without harm, so one whose lease ran out is simply owed again.
_EDIT_DUE_AT = "CASE edit_state WHEN 'sending' THEN edit_lease_until ELSE edit_next_try_at END"


def nonce_for(voice: str, alert: Alert) -> str:
    """Return 24 characters that name what is announced, the same in every database: voice, channel, thread, story, number."""
    named = "\0".join((voice, str(alert.channel_id), str(alert.thread_id), alert.story_key.hex(), str(alert.number)))
    digest = blake2b(named.encode(), digest_size=_NONCE_BYTES).digest()
    return "d" + b32encode(digest).decode().rstrip("=").lower()


def owe(sql: sqlite3.Connection, reading: Reading, voice: str) -> None:
    """Write down what a reading makes owed. What a channel was told or is owed already is not owed again."""
    at = ms_for(reading.read_at)
    sql.executemany(
        """INSERT INTO alerts (channel_id, thread_id, story_key, number, item_id, dedup_key, nonce, reply_to, told, card,
            payload_version, created_at, next_try_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT (dedup_key) DO NOTHING""",
        [
            (
                alert.channel_id,
                alert.thread_id,
                alert.story_key,
                alert.number,
                reading.item.id,
                f"{alert.channel_id}:{alert.thread_id}:{alert.story_key.hex()}:{alert.number}",
                nonce_for(voice, alert),
                alert.reply_to,
                json_for(alert.told),
                json_for(alert.card),
                PAYLOAD_VERSION,
                ms_for(reading.owed_at or reading.read_at),
                at,
            )
            for alert in reading.alerts
        ],
    )
    # A pending alert simply goes out with the better card. One that is on its way may have gone with the old one.
    # What went out with others in one late message stays as it is: an edit would replace them all.
    # The same card once more is no edit: a reading that is committed twice must not repeat one.
    for edit in reading.edits:
        card, keys = json_for(edit.card), json_for(edit.told)
        sql.execute(
            """UPDATE alerts SET card = ?, payload_version = ?, told = ?,
                edit_state = CASE WHEN state IN ('sending', 'sent') AND digest IS NULL THEN 'owed' ELSE '' END, edit_next_try_at = ?,
                edit_attempts = 0, edit_lease = NULL
            WHERE id = ? AND (card <> ? OR told <> ?)""",
            (card, PAYLOAD_VERSION, keys, at, edit.alert_id, card, keys),
        )


def claim(
    sql: sqlite3.Connection,
    now: datetime,
    limit: int,
    lease_s: float,
    late_before: datetime | None = None,
    edits_limit: int | None = None,
    without: Collection[int] = (),
) -> tuple[Delivery, ...]:
    """Return what is to be sent now, leased to the caller: posts in order, at most one for each channel, then edits.

    late_before: posts owed since before then bring what else of their channel is as late, for one message; None: each goes alone.
    edits_limit: how many edits besides `limit` posts; None: as many as the posts leave of that. without: alerts, by id, no edit of which is
    given: an earlier one is under way still, and could arrive last.
    """
    at, until = ms_for(now), ms_for(now + timedelta(seconds=lease_s))
    posts = _ids(sql, _FIRST_POSTS, (at, limit))
    sql.executemany(
        """UPDATE alerts SET state = 'sending', lease = ?, lease_until = ?, attempts = attempts + 1,
            first_sent_at = ?, digest = NULL WHERE id = ?""",
        [(secrets.token_bytes(_LEASE_BYTES), until, at, id_) for id_ in posts],
    )
    if late_before is not None:
        for id_ in posts:
            _gather_late(sql, id_, at, until, ms_for(late_before))
    edits = _ids(
        sql,
        f"""SELECT id FROM alerts WHERE {_EDIT_OWED} AND {_EDIT_DUE_AT} <= ?1 AND {_PAUSED.format("alerts")}
        AND id NOT IN (SELECT value FROM json_each(?3)) ORDER BY id LIMIT ?2""",  # noqa: S608  # as above
        (at, limit - len(posts) if edits_limit is None else edits_limit, json.dumps(list(without))),
    )
    sql.executemany(
        """UPDATE alerts SET edit_state = 'sending', edit_lease = ?, edit_lease_until = ?, edit_attempts = edit_attempts + 1
        WHERE id = ?""",
        [(secrets.token_bytes(_LEASE_BYTES), until, id_) for id_ in edits],
    )
    return tuple([_post(sql, id_) for id_ in posts] + [_delivery(sql, id_, "edit") for id_ in edits])


def _gather_late(sql: sqlite3.Connection, head: int, at: int, until: int, late_before: int) -> None:
    """Claim with a late post what else its channel is owed as late, as one message that the first of them names."""
    later = _ids(
        sql,
        """SELECT a.id FROM alerts a JOIN alerts h ON h.id = ?1 AND h.created_at <= ?2 WHERE a.state = 'pending'
        AND a.channel_id = h.channel_id AND a.thread_id = h.thread_id AND a.created_at <= ?2 AND a.next_try_at <= ?3
        ORDER BY a.id LIMIT ?4""",
        (head, late_before, at, _DIGEST_ALERTS - 1),
    )
    sql.executemany(
        """UPDATE alerts SET state = 'sending', lease = ?, lease_until = ?, attempts = attempts + 1, first_sent_at = ?
        WHERE id = ?""",
        [(secrets.token_bytes(_LEASE_BYTES), until, at, id_) for id_ in later],
    )
    if later:
        sql.executemany("UPDATE alerts SET digest = ? WHERE id = ?", [(head, id_) for id_ in (head, *later)])


def reclaim(sql: sqlite3.Connection, now: datetime, lease_s: float, without: Collection[int]) -> tuple[Delivery, ...]:
    """Return the posts whose lease is over, but those in `without`, leased anew to the caller, who looks before posting again."""
    until = ms_for(now + timedelta(seconds=lease_s))
    lost = _ids(
        sql,
        f"""SELECT id FROM alerts a WHERE state = 'sending' AND lease_until <= ?1 AND {_PAUSED.format("a")}
        AND id NOT IN (SELECT value FROM json_each(?2)) ORDER BY first_sent_at, id""",  # noqa: S608  # as above
        (ms_for(now), json.dumps(list(without))),
    )
    sql.executemany(
        "UPDATE alerts SET lease = ?, lease_until = ?, attempts = attempts + 1 WHERE id = ?",
        [(secrets.token_bytes(_LEASE_BYTES), until, id_) for id_ in lost],
    )
    heads = dict.fromkeys(
        sql.execute("SELECT COALESCE(digest, id) FROM alerts WHERE id = ?", (id_,)).fetchone()[0] for id_ in lost
    )
    posts = (_post(sql, head) for head in heads)
    return tuple(
        replace(post, in_doubt=True, others=tuple(replace(one, in_doubt=True) for one in post.others)) for post in posts
    )


def end_leases(sql: sqlite3.Connection, now: datetime) -> None:
    """Let every lease end: at a start nobody holds one any more."""
    at = ms_for(now)
    sql.execute("UPDATE alerts SET lease_until = ? WHERE state = 'sending'", (at,))
    sql.execute("UPDATE alerts SET edit_lease_until = ? WHERE edit_state = 'sending'", (at,))


def mark_unknown(sql: sqlite3.Connection, delivery: Delivery, reason: str, look_at: datetime) -> bool:
    """Leave a post that may have arrived as it is, to be looked for at that time. False where the lease is not the caller's."""
    done = sql.execute(
        "UPDATE alerts SET lease_until = ?, last_error = ? WHERE id = ? AND state = 'sending' AND lease = ?",
        (ms_for(look_at), text_for(reason), delivery.alert_id, delivery.lease),
    )
    for one in delivery.others:
        mark_unknown(sql, one, reason, look_at)
    return done.rowcount == 1


def mark_sent(sql: sqlite3.Connection, delivery: Delivery, message_id: int | None, now: datetime) -> bool:
    """Settle a delivery that arrived. Returns False, and changes nothing, where the lease is no longer the caller's."""
    for one in delivery.others:
        mark_sent(sql, one, message_id, now)
    if delivery.kind == "edit":
        done = sql.execute(
            """UPDATE alerts SET edit_state = '', edit_lease = NULL, edit_lease_until = NULL
            WHERE id = ? AND edit_state = 'sending' AND edit_lease = ?""",
            (delivery.alert_id, delivery.lease),
        )
    else:
        done = sql.execute(
            """UPDATE alerts SET state = 'sent', sent_at = ?, message_id = ?, lease = NULL, lease_until = NULL, last_error = '',
                edit_state = CASE WHEN digest IS NULL THEN edit_state ELSE '' END, sent_late = ?
            WHERE id = ? AND state = 'sending' AND lease = ?""",
            (
                ms_for(now),
                message_id,
                "" if delivery.card.mentions else text_for(delivery.card.late),
                delivery.alert_id,
                delivery.lease,
            ),
        )
    lift_pause(sql, delivery.channel_id, delivery.thread_id, delivery.kind)
    return done.rowcount == 1


def mark_failed(
    sql: sqlite3.Connection,
    delivery: Delivery,
    reason: str,
    next_try_at: datetime | None,
    now: datetime,
    *,
    whole_channel: bool = False,
) -> bool:
    """Settle a delivery that certainly did not arrive: owed again from next_try_at on, or given up where that is None.

    whole_channel: what else of its kind its channel is owed waits as long. Returns False where the lease is no longer the caller's.
    """
    for one in delivery.others:
        mark_failed(sql, one, reason, next_try_at, now)
    again = next_try_at is not None
    due = ms_for(next_try_at or now)
    if delivery.kind == "edit":
        done = sql.execute(
            """UPDATE alerts SET edit_state = ?, edit_next_try_at = ?, edit_lease = NULL, edit_lease_until = NULL,
                last_error = ? WHERE id = ? AND edit_state = 'sending' AND edit_lease = ?""",
            ("owed" if again else "", due, text_for(reason), delivery.alert_id, delivery.lease),
        )
    else:  # it will go out with the card as it then is, so an edit that waited behind it has nothing left to do
        done = sql.execute(
            """UPDATE alerts SET state = ?, next_try_at = ?, edit_state = '', lease = NULL, lease_until = NULL, last_error = ?
            WHERE id = ? AND state = 'sending' AND lease = ?""",
            ("pending" if again else "failed", due, text_for(reason), delivery.alert_id, delivery.lease),
        )
    if whole_channel:
        _put_off(sql, delivery, due)
    return done.rowcount == 1


def mark_closed(
    sql: sqlite3.Connection, delivery: Delivery, reason: str, now: datetime, *, unknown: bool, standing: str
) -> bool:
    """Settle a delivery whose channel is closed: owed, or in doubt, as it was, and the channel paused. Returns whether that is news.

    Changes nothing where the lease is no longer the caller's: a settling that is run twice counts once.

    standing: as in `pause_channel`.
    """
    settled = mark_unknown(sql, delivery, reason, now) if unknown else mark_failed(sql, delivery, reason, now, now)
    if settled and unknown:  # an end that mark_unknown leaves open: whoever it was leased to may find it still
        sql.execute("UPDATE alerts SET lease = NULL WHERE id = ?", (delivery.alert_id,))
    return settled and pause_channel(sql, delivery.channel_id, delivery.thread_id, reason, now, standing)


def bring_forward(sql: sqlite3.Connection, due_at: Mapping[int, datetime]) -> None:
    """Have these alerts, by id, tried or looked for then, where that is sooner than they would be; for those that nobody holds."""
    sql.executemany(
        """UPDATE alerts SET next_try_at = MIN(next_try_at, ?1), lease_until = MIN(lease_until, ?1),
            edit_next_try_at = MIN(edit_next_try_at, ?1) WHERE id = ?2 AND state <> 'failed'""",
        [(ms_for(at), id_) for id_, at in due_at.items()],
    )


def _put_off(sql: sqlite3.Connection, delivery: Delivery, due: int) -> None:
    """Have a channel's posts, or its edits, wait as long as this one."""
    place = (due, delivery.channel_id, delivery.thread_id)
    if delivery.kind == "post":
        sql.execute(
            """UPDATE alerts INDEXED BY alerts_pending SET next_try_at = ?1 WHERE state = 'pending'
            AND channel_id = ?2 AND thread_id = ?3 AND next_try_at < ?1""",
            place,
        )
    else:
        sql.execute(
            """UPDATE alerts INDEXED BY alerts_edits SET edit_next_try_at = ?1 WHERE edit_state <> '' AND +edit_state = 'owed'
            AND +channel_id = ?2 AND thread_id = ?3 AND edit_next_try_at < ?1""",
            place,
        )


def release(sql: sqlite3.Connection, now: datetime) -> int:
    """Make owed again whatever was on its way; for an outlet that cannot look back and may repeat. Returns how many posts."""
    at = ms_for(now)
    sql.execute(
        """UPDATE alerts SET edit_state = 'owed', edit_next_try_at = ?, edit_lease = NULL, edit_lease_until = NULL
        WHERE edit_state = 'sending'""",
        (at,),
    )
    return sql.execute(
        """UPDATE alerts SET state = 'pending', edit_state = '', next_try_at = ?, lease = NULL, lease_until = NULL
        WHERE state = 'sending'""",
        (at,),
    ).rowcount


def next_delivery_at(sql: sqlite3.Connection) -> datetime | None:
    """Return from when on a claim has something to give, if nothing else happens; None where nothing is owed or all is on its way."""
    row = sql.execute(
        f"""SELECT MIN(at) FROM (SELECT MIN(a.next_try_at) AS at FROM alerts a WHERE {_FREE}
        UNION ALL SELECT MIN(MAX({_EDIT_DUE_AT}, COALESCE(p.retry_at, 0))) FROM alerts LEFT JOIN paused_channels p
            ON p.channel_id = alerts.channel_id AND p.thread_id = alerts.thread_id
            WHERE {_EDIT_OWED} AND (p.channel_id IS NULL OR p.retry_at IS NOT NULL)
        UNION ALL SELECT MIN(MAX(p.retry_at, (SELECT MIN(a.next_try_at) FROM alerts a INDEXED BY alerts_pending
            WHERE a.state = 'pending' AND a.channel_id = p.channel_id AND a.thread_id = p.thread_id)))
            FROM paused_channels p)"""  # noqa: S608  # constants of this module
    ).fetchone()
    return opt_time_in(row[0])


def next_doubt_at(sql: sqlite3.Connection) -> datetime | None:
    """Return when the next lease ends of what is on its way; None where nothing is."""
    row = sql.execute(
        """SELECT MIN(MAX(a.lease_until, COALESCE(p.retry_at, 0))) FROM alerts a LEFT JOIN paused_channels p
        ON p.channel_id = a.channel_id AND p.thread_id = a.thread_id
        WHERE a.state = 'sending' AND (p.channel_id IS NULL OR p.retry_at IS NOT NULL)"""
    )
    return opt_time_in(row.fetchone()[0])


def _ids(sql: sqlite3.Connection, query: str, values: tuple[int | str, ...]) -> list[int]:
    return [row[0] for row in sql.execute(query, values)]


def _post(sql: sqlite3.Connection, alert_id: int) -> Delivery:
    """Return a post with what goes into the same message."""
    others = _ids(
        sql,
        "SELECT id FROM alerts WHERE digest = ?1 AND id <> ?1 AND state = 'sending' AND channel_id = "
        "(SELECT channel_id FROM alerts WHERE id = ?1) ORDER BY id",
        (alert_id,),
    )
    return replace(_delivery(sql, alert_id, "post"), others=tuple(_delivery(sql, id_, "post") for id_ in others))


def _delivery(sql: sqlite3.Connection, alert_id: int, kind: Literal["post", "edit"]) -> Delivery:
    return _delivery_in(sql.execute(f"{_DELIVERIES} WHERE a.id = ?", (alert_id,)).fetchone(), kind)


def _delivery_in(row: Any, kind: Literal["post", "edit"]) -> Delivery:  # noqa: ANN401  # a row of _DELIVERIES
    post, card = kind == "post", card_in(row[3], row[4])
    if row[14] and not post:  # what came late says so still, and still pings nobody
        card = replace(card, late=card.late or row[14], mentions=())
    return Delivery(
        alert_id=row[0],
        kind=kind,
        channel_id=row[1],
        thread_id=row[2],
        card=card,
        nonce=row[5],
        owed_at=time_in(row[13]),
        attempts=row[6] if post else row[10],
        reply_to_message_id=row[12],
        message_id=row[7],
        first_sent_at=opt_time_in(row[8]),
        lease=(row[9] if post else row[11]) or b"",
    )
