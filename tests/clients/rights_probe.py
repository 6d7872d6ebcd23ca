"""What each user may do at a broker, found out by trying: rights_probe.py PORT

The users ann, bob and zoe have their names in capitals as passwords; adm may do everything; whoever has no name is
"nobody". All of them may read the topic "marker". Prints one JSON object: user -> {"read": topics, "write": topics}.
"""

import json
import queue
import sys

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

PATIENCE = 20
TOPICS = [
    "a", "a/b", "a/b/c", "home/ann/x", "home/bob/x", "dev/c1/x", "dev/c2/x", "secret/x", "tele/kitchen/t",
    "living room/lamp",
]


class Client:
    def __init__(self, port, name, identifier):
        self.messages = queue.Queue()
        self.answers = queue.Queue()
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=identifier)
        self.client.on_message = lambda _c, _u, message: self.messages.put((message.topic, message.payload.decode()))
        self.client.on_connect = lambda _c, _u, _f, reason, _p: self.answers.put(str(reason))
        self.client.on_subscribe = lambda _c, _u, _m, _codes, _p: self.answers.put("subscribed")
        if name is not None:
            self.client.username_pw_set(name, name.upper())
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        reason = self.answers.get(timeout=PATIENCE)
        assert reason == "Success", f"{name}: {reason}"

    def subscribe(self, topics):
        for topic in topics:
            self.client.subscribe(topic)
            assert self.answers.get(timeout=PATIENCE) == "subscribed"

    def publish(self, topic, payload):
        self.client.publish(topic, payload, qos=1).wait_for_publish(PATIENCE)

    def until(self, payload):
        """The topics of all messages ahead of the one with this payload."""
        topics = set()
        while True:
            topic, found = self.messages.get(timeout=PATIENCE)
            if found == payload:
                return sorted(topics)
            topics.add(topic)


def main():
    port = int(sys.argv[1])
    admin = Client(port, "adm", "adm")
    admin.subscribe(["#"])
    result = {}
    for name in ["ann", "bob", "zoe", None]:
        who = name or "nobody"
        client = Client(port, name, "c1")
        client.subscribe([*TOPICS, "marker"])
        for topic in TOPICS:
            client.publish(topic, f"{who} writes")
        admin.publish("marker", f"{who} has written")
        written = admin.until(f"{who} has written")
        client.until(f"{who} has written")
        for topic in TOPICS:
            admin.publish(topic, "read this")
        admin.publish("marker", f"{who} has read")
        admin.until(f"{who} has read")
        result[who] = {"write": written, "read": client.until(f"{who} has read")}
        client.client.disconnect()
    print(json.dumps(result))


main()
