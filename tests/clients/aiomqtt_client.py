"""aiomqtt against a broker: aiomqtt_client.py PORT USER PASSWORD 3.1|3.1.1|5

Prints a line per step that held. Ends with an error at the first that did not, or that nothing came of in time.
CONNACK and the codes of PUBACK and UNSUBACK are hidden by this library. It stands on paho, whose test has them.
"""

import asyncio
import socket
import sys

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

PATIENCE_S = 20
PORT, USER, PASSWORD, VERSION = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
PROTOCOL = {
    "3.1": aiomqtt.ProtocolVersion.V31,
    "3.1.1": aiomqtt.ProtocolVersion.V311,
    "5": aiomqtt.ProtocolVersion.V5,
}[VERSION]
TAKEN_OVER = 0x8E


def client(name, *, clean=True, password=PASSWORD, will=None, **properties):
    if VERSION == "5":
        options = {"clean_start": clean, "properties": made(PacketTypes.CONNECT, properties)}
    else:
        options = {"clean_session": clean}
    return aiomqtt.Client(
        "127.0.0.1",
        PORT,
        identifier=name,
        username=USER,
        password=password,
        protocol=PROTOCOL,
        timeout=PATIENCE_S,
        will=will,
        **options,
    )


def made(packet, values):
    properties = Properties(packet)
    for name, value in values.items():
        setattr(properties, name, value)
    return properties


def sent_with(**properties):
    """What only a publication of MQTT 5 may carry."""
    return made(PacketTypes.PUBLISH, properties)


def equal(seen, expected, what):
    assert seen == expected, f"{what}: {seen!r} instead of {expected!r}"


async def following(peer):
    """The next message."""
    try:
        return await asyncio.wait_for(anext(peer.messages), PATIENCE_S)
    except asyncio.TimeoutError:
        raise AssertionError(f"{peer.identifier}: no message within {PATIENCE_S} s") from None


async def following_text(peer):
    message = await following(peer)
    return str(message.topic), message.payload.decode()


async def vanish(name, will):
    """Connects and ends without a DISCONNECT."""
    async with client(name, will=will) as mortal:
        mortal._client.socket().shutdown(socket.SHUT_RDWR)
        try:
            await asyncio.wait_for(anext(mortal.messages), PATIENCE_S)
        except aiomqtt.MqttError:
            return
    raise AssertionError(f"{name} is still connected")


async def every_quality_of_service(peer):
    for qos in 0, 1, 2:
        granted = await peer.subscribe(f"qos/{qos}", qos)
        equal([code if isinstance(code, int) else code.value for code in granted], [qos], "granted")
        await peer.publish(f"qos/{qos}", f"level {qos}", qos)
        message = await following(peer)
        seen = str(message.topic), message.payload, message.qos, message.retain
        equal(seen, (f"qos/{qos}", f"level {qos}".encode(), qos, False), "message")
    await asyncio.gather(*(peer.publish("qos/2", str(number), 2) for number in range(10)))
    for number in range(10):
        equal(await following_text(peer), ("qos/2", str(number)), "message in a row")
    await peer.unsubscribe("qos/1")
    await peer.publish("qos/1", "to nobody", 1)
    await peer.publish("qos/2", "mark", 1)
    equal(await following_text(peer), ("qos/2", "mark"), "first message after UNSUBSCRIBE")


async def retained(peer):
    for value in "old", "new":
        await peer.publish("kept/state", value, 1, True)
    async with client("late") as late:
        await late.subscribe("kept/#", 1)
        message = await following(late)
        equal((message.payload, message.retain, message.qos), (b"new", True, 1), "retained message")
        await peer.publish("kept/state", "", 1, True)
        equal(await following_text(late), ("kept/state", ""), "the deletion, to whom it is live")
    async with client("later") as later:
        await later.subscribe("kept/#", 1)
        await peer.publish("kept/mark", "live", 1)
        equal(await following_text(later), ("kept/mark", "live"), "first message after the deletion")


async def wills(peer):
    await peer.subscribe("will/#", 2)
    async with client("polite", will=aiomqtt.Will("will/polite", "gone", 1)):
        pass
    await vanish("mortal", aiomqtt.Will("will/mortal", "gone", 2))
    message = await following(peer)
    equal((str(message.topic), message.payload, message.qos), ("will/mortal", b"gone", 2), "will")


async def sessions(peer):
    persistent = {"clean": False, **({"SessionExpiryInterval": 300} if VERSION == "5" else {})}
    async with client("sleeper", **persistent) as sleeper:
        await sleeper.subscribe("sleep/#", 2)
    await peer.publish("sleep/1", "queued", 1)
    await peer.publish("sleep/2", "queued", 2)
    async with client("sleeper", **persistent) as sleeper:
        messages = [await following(sleeper), await following(sleeper)]
        messages = sorted((str(message.topic), message.payload, message.qos) for message in messages)
        equal(messages, [("sleep/1", b"queued", 1), ("sleep/2", b"queued", 2)], "queued messages")
    async with client("sleeper") as sleeper:
        await peer.publish("sleep/late", "for nobody", 1)
        await sleeper.subscribe("mark", 1)
        await peer.publish("mark", "clean", 1)
        equal(await following_text(sleeper), ("mark", "clean"), "first message after a clean start")


async def refusal(_peer):
    try:
        async with client("intruder", password="wrong"):
            raise AssertionError("a wrong password was let in")
    except aiomqtt.MqttCodeError as error:
        assert error.rc.is_failure, f"a wrong password got {error.rc}"


async def message_properties(peer):
    await peer.subscribe("data/#", 1, properties=made(PacketTypes.SUBSCRIBE, {"SubscriptionIdentifier": 7}))
    sent = {
        "UserProperty": [("room", "attic"), ("room", "cellar")],
        "ContentType": "application/json",
        "ResponseTopic": "data/answer",
        "CorrelationData": b"\x00\xff",
        "PayloadFormatIndicator": 1,
    }
    await peer.publish("data/set", "{}", 1, properties=sent_with(MessageExpiryInterval=300, **sent))
    seen = (await following(peer)).properties
    for name, value in sent.items():
        equal(getattr(seen, name, None), value, name)
    equal(seen.SubscriptionIdentifier, [7], "subscription identifier")
    assert 290 <= seen.MessageExpiryInterval <= 300, f"message expiry {seen.MessageExpiryInterval}"


async def no_local(peer):
    await peer.subscribe("chat/#", options=SubscribeOptions(1, noLocal=True))
    await peer.publish("chat/own", "mine", 1)
    async with client("other") as other:
        await other.publish("chat/other", "yours", 1)
    equal(await following_text(peer), ("chat/other", "yours"), "with No Local")


async def shared_subscription(peer):
    async with client("first") as first, client("second") as second:
        shares = []
        for member in first, second:
            await member.subscribe([("$share/crew/job/+", SubscribeOptions(1)), ("mark", SubscribeOptions(1))])
        for number in range(10):
            await peer.publish(f"job/{number}", "do", 1)
        await peer.publish("mark", "end", 1)
        for member in first, second:
            shares.append([])
            while (text := await following_text(member)) != ("mark", "end"):
                shares[-1].append(text[0])
    equal(sorted(sum(shares, [])), [f"job/{number}" for number in range(10)], "jobs, each done once")
    assert all(shares), f"a member had nothing to do: {shares}"


async def topic_alias(peer):
    await peer.subscribe("alias/#", 1)
    await peer.publish("alias/long", "named", 1, properties=sent_with(TopicAlias=1))
    await peer.publish("", "by alias", 1, properties=sent_with(TopicAlias=1))
    seen = [await following_text(peer), await following_text(peer)]
    equal(seen, [("alias/long", "named"), ("alias/long", "by alias")], "messages by alias")


async def take_over(_peer):
    async with client("double") as first, client("double"):
        try:
            await following(first)
        except aiomqtt.MqttError as error:
            equal(error.__cause__.rc.value, TAKEN_OVER, "reason of the DISCONNECT")
            return
    raise AssertionError("the first connection goes on")


STEPS = [every_quality_of_service, retained, wills, sessions]
if VERSION == "5":
    STEPS += [message_properties, no_local, shared_subscription, topic_alias, take_over]
STEPS += [refusal]


async def main():
    async with client("main") as peer:
        for step in STEPS:
            await step(peer)
            print("held:", step.__name__.replace("_", " "), flush=True)
        assert not len(peer.messages), f"a message too many: {await following_text(peer)}"


asyncio.run(main())
