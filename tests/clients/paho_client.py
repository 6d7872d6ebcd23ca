"""paho-mqtt (the client inside Home Assistant) against a broker: paho_client.py PORT USER PASSWORD 3.1|3.1.1|5

Prints a line per step that held. Ends with an error at the first that did not, or that nothing came of in time.
"""

import queue
import socket
import sys

import paho.mqtt.client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

PATIENCE_S = 20
PORT, USER, PASSWORD, VERSION = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
PROTOCOL = {"3.1": paho.MQTTv31, "3.1.1": paho.MQTTv311, "5": paho.MQTTv5}[VERSION]
TAKEN_OVER = 0x8E


class Peer:
    """A client whose callbacks become things to wait for."""

    def __init__(self, name, *, clean=True, will=None, password=PASSWORD, **properties):
        self.name = name
        self.connacks, self.disconnects, self.messages = queue.Queue(), queue.Queue(), queue.Queue()
        self.acks, self.granted = queue.Queue(), queue.Queue()
        older = {} if VERSION == "5" else {"clean_session": clean}
        self.client = client = paho.Client(
            paho.CallbackAPIVersion.VERSION2, name, protocol=PROTOCOL, reconnect_on_failure=False, **older
        )
        client.username_pw_set(USER, password)
        if will:
            client.will_set(**will)
        client.on_connect = lambda _c, _u, flags, code, given: self.connacks.put((flags, code, given))
        client.on_disconnect = lambda _c, _u, flags, code, _p: self.disconnects.put((flags, code))
        client.on_message = lambda _c, _u, message: self.messages.put(message)
        client.on_publish = lambda _c, _u, _mid, code, _p: self.acks.put(code.value)
        client.on_subscribe = lambda _c, _u, _mid, codes, _p: self.granted.put([code.value for code in codes])
        client.on_unsubscribe = lambda _c, _u, _mid, codes, _p: self.granted.put([code.value for code in codes])
        newer = {"clean_start": clean, "properties": made(PacketTypes.CONNECT, properties)} if VERSION == "5" else {}
        client.connect("127.0.0.1", PORT, **newer)
        client.loop_start()
        flags, self.code, self.given = self.wait(self.connacks, "CONNACK")
        self.session_present = flags.session_present
        if password == PASSWORD:
            equal(self.code.value, 0, f"{name}: CONNACK")

    def wait(self, source, what):
        try:
            return source.get(timeout=PATIENCE_S)
        except queue.Empty:
            raise AssertionError(f"{self.name}: no {what} within {PATIENCE_S} s") from None

    def subscribe(self, *filters, properties=None, **options):
        """Subscribes to (filter, QoS) pairs; what was granted."""
        if VERSION == "5":
            filters = [(name, SubscribeOptions(qos, **options)) for name, qos in filters]
            self.client.subscribe(filters, properties=made(PacketTypes.SUBSCRIBE, properties or {}))
        else:
            self.client.subscribe(list(filters))
        return self.wait(self.granted, "SUBACK")

    def unsubscribe(self, name):
        self.client.unsubscribe(name)
        return self.wait(self.granted, "UNSUBACK")

    def publish(self, topic, payload, qos=1, retain=False, **properties):
        """Publishes and waits until that is settled; the reason code."""
        newer = {"properties": made(PacketTypes.PUBLISH, properties)} if VERSION == "5" else {}
        self.client.publish(topic, payload, qos, retain, **newer)
        return self.wait(self.acks, f"end of the publication to {topic!r}")

    def next(self):
        return self.wait(self.messages, "message")

    def next_text(self):
        message = self.next()
        return message.topic, message.payload.decode()

    def disconnect(self, **properties):
        newer = {"properties": made(PacketTypes.DISCONNECT, properties)} if VERSION == "5" else {}
        self.client.disconnect(**newer)
        self.wait(self.disconnects, "end of the connection")
        self.client.loop_stop()

    def vanish(self):
        """Ends the connection without a DISCONNECT."""
        self.client.socket().shutdown(socket.SHUT_RDWR)
        self.wait(self.disconnects, "end of the connection")


def made(packet, values):
    properties = Properties(packet)
    for name, value in values.items():
        setattr(properties, name, value)
    return properties


def equal(seen, expected, what):
    assert seen == expected, f"{what}: {seen!r} instead of {expected!r}"


def persistent():
    """How each version asks for a session that outlives its connection."""
    return {"clean": False, **({"SessionExpiryInterval": 300} if VERSION == "5" else {})}


def every_quality_of_service(peer):
    equal(peer.subscribe(("qos/0", 0), ("qos/1", 1), ("qos/2", 2)), [0, 1, 2], "granted")
    for qos in 0, 1, 2:
        equal(peer.publish(f"qos/{qos}", f"level {qos}", qos), 0, "reason code")
        message = peer.next()
        seen = message.topic, message.payload, message.qos, message.retain, message.dup
        equal(seen, (f"qos/{qos}", f"level {qos}".encode(), qos, False, False), "message")
    # Each is delivered at the lower of the two levels.
    peer.publish("qos/1", "lowered", 2)
    equal(peer.next().qos, 1, "QoS")
    for number in range(50):
        peer.client.publish("qos/2", str(number), 2)
    for number in range(50):
        equal(peer.next_text(), ("qos/2", str(number)), "message in a row")
        peer.wait(peer.acks, "PUBCOMP")


def retained(peer):
    for value in "old", "new":
        peer.publish("kept/state", value, 1, True)
    late = Peer("late")
    late.subscribe(("kept/#", 1))
    message = late.next()
    equal((message.payload, message.retain, message.qos), (b"new", True, 1), "retained message")
    peer.publish("kept/state", "", 1, True)
    equal(late.next_text(), ("kept/state", ""), "the deletion, to whom it is live")
    later = Peer("later")
    later.subscribe(("kept/#", 1))
    peer.publish("kept/mark", "live")
    equal(later.next_text(), ("kept/mark", "live"), "first message after the deletion")
    late.disconnect()
    later.disconnect()


def wills(peer):
    peer.subscribe(("will/#", 2))
    Peer("polite", will={"topic": "will/polite", "payload": "gone", "qos": 1}).disconnect()
    mortal = Peer("mortal", will={"topic": "will/mortal", "payload": "gone", "qos": 2, "retain": True})
    mortal.vanish()
    message = peer.next()
    equal((message.topic, message.payload, message.qos), ("will/mortal", b"gone", 2), "will")
    peer.subscribe(("will/#", 2))
    equal((peer.next().retain), True, "will, retained")
    peer.publish("will/mortal", "", 1, True)
    equal(peer.next_text(), ("will/mortal", ""), "deletion of the will")


def sessions(peer):
    sleeper = Peer("sleeper", **persistent())
    equal(sleeper.session_present, False, "session present at first")
    sleeper.subscribe(("sleep/#", 2))
    sleeper.disconnect()
    peer.publish("sleep/1", "queued", 1)
    peer.publish("sleep/2", "queued", 2)
    sleeper = Peer("sleeper", **persistent())
    if VERSION != "3.1":
        equal(sleeper.session_present, True, "session present after the return")
    messages = sorted((message.topic, message.payload, message.qos) for message in (sleeper.next(), sleeper.next()))
    equal(messages, [("sleep/1", b"queued", 1), ("sleep/2", b"queued", 2)], "queued messages")
    peer.publish("sleep/live", "on")
    equal(sleeper.next_text(), ("sleep/live", "on"), "message after the queue")
    sleeper.disconnect()
    fresh = Peer("sleeper")
    equal(fresh.session_present, False, "session present after a clean start")
    fresh.disconnect()


def refusal(_peer):
    refused = Peer("intruder", password="wrong")
    assert refused.code.is_failure, f"a wrong password got {refused.code}"
    refused.wait(refused.disconnects, "end of the refused connection")


def connack_properties(peer):
    nameless = Peer("")
    assert nameless.given.AssignedClientIdentifier, "no assigned client identifier"
    assert 1 <= peer.given.ReceiveMaximum < 65535, f"receive maximum {peer.given.ReceiveMaximum}"
    assert peer.given.TopicAliasMaximum >= 1, "no topic aliases"
    nameless.disconnect()


def session_expiry(_peer):
    def visit(clean=False, **last_word):
        visitor = Peer("visitor", clean=clean, SessionExpiryInterval=300)
        visitor.disconnect(**last_word)
        return visitor.session_present

    seen = [visit(clean=True), visit(), visit(SessionExpiryInterval=0), visit(), visit(clean=True)]
    equal(seen, [False, True, True, False, False], "session present")


def message_properties(peer):
    peer.subscribe(("data/#", 1), properties={"SubscriptionIdentifier": 7})
    sent = {
        "UserProperty": [("room", "attic"), ("room", "cellar"), ("unit", "°C")],
        "ContentType": "application/json",
        "ResponseTopic": "data/answer",
        "CorrelationData": b"\x00\xff",
        "PayloadFormatIndicator": 1,
    }
    peer.publish("data/set", "{}", MessageExpiryInterval=300, **sent)
    seen = peer.next().properties
    for name, value in sent.items():
        equal(getattr(seen, name, None), value, name)
    equal(seen.SubscriptionIdentifier, [7], "subscription identifier")
    assert 290 <= seen.MessageExpiryInterval <= 300, f"message expiry {seen.MessageExpiryInterval}"

    will = made(PacketTypes.WILLMESSAGE, {"ContentType": "text/plain", "UserProperty": [("cause", "power")]})
    Peer("mortal", will={"topic": "data/will", "payload": "gone", "properties": will}).vanish()
    seen = peer.next().properties
    equal((seen.ContentType, seen.UserProperty), ("text/plain", [("cause", "power")]), "properties of a will")


def subscription_options(peer):
    other = Peer("other")
    peer.subscribe(("chat/#", 1), noLocal=True)
    peer.publish("chat/own", "mine")
    other.publish("chat/other", "yours")
    equal(peer.next_text(), ("chat/other", "yours"), "with No Local")

    other.publish("flag/kept", "1", 1, True)
    peer.subscribe(("flag/#", 1), retainHandling=SubscribeOptions.RETAIN_DO_NOT_SEND, retainAsPublished=True)
    other.publish("flag/kept", "2", 1, True)
    message = peer.next()
    equal((message.payload, message.retain), (b"2", True), "Retain As Published, and nothing retained before")
    other.publish("flag/kept", "", 1, True)
    equal(peer.next_text(), ("flag/kept", ""), "deletion")
    other.disconnect()


def shared_subscription(peer):
    crew = [Peer("first"), Peer("second")]
    for member in crew:
        member.subscribe(("$share/crew/job/+", 1), ("mark", 1))
    for number in range(10):
        peer.publish(f"job/{number}", "do")
    peer.publish("mark", "end")
    shares = [[text[0] for text in iter(member.next_text, ("mark", "end"))] for member in crew]
    equal(sorted(sum(shares, [])), [f"job/{number}" for number in range(10)], "jobs, each done once")
    assert all(shares), f"a member had nothing to do: {shares}"
    for member in crew:
        member.disconnect()


def topic_alias(peer):
    peer.subscribe(("alias/#", 1))
    for topic, payload in ("alias/long", "named"), ("", "by alias"), ("alias/other", "moved"), ("", "there"):
        peer.publish(topic, payload, TopicAlias=1)
    seen = [peer.next_text() for _ in range(4)]
    expected = [("alias/long", "named"), ("alias/long", "by alias"), ("alias/other", "moved"), ("alias/other", "there")]
    equal(seen, expected, "messages by alias")


def reason_codes(peer):
    code = peer.publish("nobody/listens", "?")
    assert code in (0x00, 0x10), f"PUBACK without a subscriber: {code:#x}"
    equal(peer.unsubscribe("data/#"), [0x00], "UNSUBACK")
    equal(peer.unsubscribe("never/there"), [0x11], "UNSUBACK of nothing")


def flow_control(peer):
    slow = Peer("slow", ReceiveMaximum=1)
    slow.client.manual_ack_set(True)
    slow.subscribe(("flow", 1))
    for number in range(6):
        peer.publish("flow", str(number))
    for number in range(6):
        message = slow.next()
        equal(message.payload.decode(), str(number), "message in a row")
        # What the broker sends before a SUBACK is here with the SUBACK.
        slow.subscribe(("mark", 1))
        assert slow.messages.empty(), "a message more than it takes without an acknowledgement"
        slow.client.ack(message.mid, message.qos)
    slow.disconnect()


def take_over(_peer):
    first = Peer("double")
    second = Peer("double")
    flags, code = first.wait(first.disconnects, "DISCONNECT from the broker")
    equal((flags.is_disconnect_packet_from_server, code.value), (True, TAKEN_OVER), "DISCONNECT")
    second.disconnect()


STEPS = [every_quality_of_service, retained, wills, sessions]
if VERSION == "5":
    STEPS += [connack_properties, session_expiry, message_properties, subscription_options, shared_subscription]
    STEPS += [topic_alias, reason_codes, flow_control, take_over]
STEPS += [refusal]

main = Peer("main")
for step in STEPS:
    step(main)
    print("held:", step.__name__.replace("_", " "), flush=True)
assert main.messages.empty(), f"a message too many: {main.next_text()}"
main.disconnect()
