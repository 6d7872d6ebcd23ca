//! The subscription tree (section 4.7): which sessions a topic concerns.
//!
//! One node a topic level. The edges of all nodes stand in one hash table, keyed by parent and level name, so that a
//! node costs the same with one child or a thousand and a step down is one look-up. `+` is a child of its own; `#` needs
//! no node: it is a second list of subscribers at its parent level, which it includes.
//!
//! Matching walks the tree without recursion or a stack: the way back is found through the parents. It visits only
//! nodes whose filters match so far; subscriptions elsewhere cost nothing.

use alloc::boxed::Box;

use hashbrown::HashTable;
use obkmq_mqtt::{QoS, TopicFilter};

use crate::hash::Hasher;
use crate::memory::{Memory, OutOfMemory, Purpose, insert_reserved};
use crate::session::Session;
use crate::slab::{Handle, Slab};

#[derive(Debug)]
struct Node {
    /// Nothing at the root.
    parent: Option<Handle<Node>>,
    /// The level's name; empty at the root, at `+` nodes, and at empty levels.
    name: Box<[u8]>,
    plus: Option<Handle<Node>>,
    /// Subscribers of exactly this level, and of `#` from this level on.
    subscribers: [Option<Handle<Subscription>>; 2],
    /// Children in the edge table; `plus` is not among them.
    children: u32,
}

/// That a session wants what a filter matches: in a list of its node, and in a list of its session.
#[derive(Debug)]
pub(crate) struct Subscription {
    node: Handle<Node>,
    session: Handle<Session>,
    next_in_node: Option<Handle<Subscription>>,
    previous_in_node: Option<Handle<Subscription>>,
    next_in_session: Option<Handle<Subscription>>,
    previous_in_session: Option<Handle<Subscription>>,
    qos: QoS,
    ending: Ending,
}

impl Subscription {
    pub(crate) const fn session(&self) -> Handle<Session> {
        self.session
    }

    pub(crate) const fn qos(&self) -> QoS {
        self.qos
    }
}

/// Which of a node's lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Exact = 0,
    Multi = 1,
}

/// The first of a session's subscriptions.
pub(crate) type Subscriptions = Option<Handle<Subscription>>;

/// All subscriptions.
#[derive(Debug)]
pub(crate) struct Tree {
    nodes: Slab<Node>,
    edges: HashTable<Handle<Node>>,
    subscriptions: Slab<Subscription>,
    root: Option<Handle<Node>>,
    hasher: Hasher,
}

impl Tree {
    pub(crate) const fn new(hasher: Hasher) -> Self {
        Tree { nodes: Slab::new(), edges: HashTable::new(), subscriptions: Slab::new(), root: None, hasher }
    }

    /// Subscriptions of all sessions.
    pub(crate) const fn live(&self) -> usize {
        self.subscriptions.live()
    }

    pub(crate) fn trim(&mut self, memory: &mut Memory) {
        self.nodes.trim(memory);
        self.subscriptions.trim(memory);
        memory.release_table(&mut self.edges);
    }

    /// Adds a subscription, if the session may have another one, or replaces the one with the same filter
    /// \[MQTT-3.8.4-3\]. Says whether it was added.
    pub(crate) fn subscribe(
        &mut self,
        memory: &mut Memory,
        filter: TopicFilter<'_>,
        session: Handle<Session>,
        list: &mut Subscriptions,
        qos: QoS,
        may_add: bool,
    ) -> Result<bool, OutOfMemory> {
        self.subscriptions.reserve(memory, 1, Purpose::Connection)?;
        let (node, ending) = self.grow(memory, filter)?;
        if let Some(existing) = self.find(node, ending, session, *list) {
            self.subscriptions[existing].qos = qos;
            return Ok(false);
        }
        if !may_add {
            self.prune(memory, node);
            return Err(OutOfMemory);
        }
        let next_in_node = self.nodes[node].subscribers[ending as usize];
        let subscription = Subscription {
            node,
            session,
            next_in_node,
            previous_in_node: None,
            next_in_session: *list,
            previous_in_session: None,
            qos,
            ending,
        };
        let handle = self.subscriptions.insert(memory, subscription, Purpose::Connection)?;
        if let Some(next) = next_in_node {
            self.subscriptions[next].previous_in_node = Some(handle);
        }
        self.nodes[node].subscribers[ending as usize] = Some(handle);
        if let Some(next) = *list {
            self.subscriptions[next].previous_in_session = Some(handle);
        }
        *list = Some(handle);
        Ok(true)
    }

    /// Removes a subscription. Says whether there was one.
    pub(crate) fn unsubscribe(
        &mut self,
        memory: &mut Memory,
        filter: TopicFilter<'_>,
        session: Handle<Session>,
        list: &mut Subscriptions,
    ) -> bool {
        let (levels, ending) = split(filter);
        let mut node = match self.root {
            Some(root) => root,
            None => return false,
        };
        for level in levels.into_iter().flat_map(|levels| levels.split('/')) {
            let child = if level == "+" { self.nodes[node].plus } else { self.child(node, level.as_bytes()) };
            match child {
                Some(child) => node = child,
                None => return false,
            }
        }
        let Some(subscription) = self.find(node, ending, session, *list) else { return false };
        self.remove_from_session(subscription, list);
        self.remove_from_node(memory, subscription);
        true
    }

    /// Removes all subscriptions of a session.
    pub(crate) fn unsubscribe_all(&mut self, memory: &mut Memory, list: &mut Subscriptions) {
        while let Some(subscription) = *list {
            *list = self.subscriptions[subscription].next_in_session;
            self.remove_from_node(memory, subscription);
        }
    }

    /// Shows every subscription that matches the topic; a session with overlapping filters comes up several times.
    pub(crate) fn matching(&self, topic: &[u8], mut visit: impl FnMut(&Subscription)) {
        let Some(root) = self.root else { return };
        // [MQTT-4.7.2-1]: wildcards at the first level do not match topics that begin with `$`.
        let reserved = topic.first() == Some(&b'$');
        let wildcards_at = |node| !(reserved && node == root);
        let mut node = root;
        // Where the level below `node` begins; beyond the end of the topic once its last level has been entered.
        let mut start = 0;
        loop {
            let entry = &self.nodes[node];
            if wildcards_at(node) {
                self.each(entry.subscribers[Ending::Multi as usize], &mut visit);
            }
            let next = match topic.get(start..) {
                None => {
                    self.each(entry.subscribers[Ending::Exact as usize], &mut visit);
                    None
                }
                Some(rest) => {
                    let length = rest.iter().position(|&byte| byte == b'/').unwrap_or(rest.len());
                    let exact = if entry.children == 0 { None } else { self.child(node, &rest[..length]) };
                    let plus = || entry.plus.filter(|_| wildcards_at(node));
                    exact.or_else(plus).map(|child| (child, start + length + 1))
                }
            };
            if let Some((child, child_start)) = next {
                (node, start) = (child, child_start);
                continue;
            }
            // Back up to the first node whose `+` child has not been entered yet.
            loop {
                let Some(parent) = self.nodes[node].parent else { return };
                let end = start - 1;
                start = topic[..end].iter().rposition(|&byte| byte == b'/').map_or(0, |slash| slash + 1);
                let plus = self.nodes[parent].plus;
                let back_from_plus = plus == Some(node);
                node = parent;
                if let Some(plus) = plus
                    && !back_from_plus
                    && wildcards_at(parent)
                {
                    (node, start) = (plus, end + 1);
                    break;
                }
            }
        }
    }

    fn each(&self, list: Option<Handle<Subscription>>, visit: &mut impl FnMut(&Subscription)) {
        let mut cursor = list;
        while let Some(subscription) = cursor {
            let subscription = &self.subscriptions[subscription];
            visit(subscription);
            cursor = subscription.next_in_node;
        }
    }

    fn child(&self, node: Handle<Node>, name: &[u8]) -> Option<Handle<Node>> {
        let hash = self.hasher.hash(node.number(), name);
        let is_child = |&child: &Handle<Node>| {
            let child = &self.nodes[child];
            child.parent == Some(node) && *child.name == *name
        };
        self.edges.find(hash, is_child).copied()
    }

    /// The node of a filter, made if need be; on failure nothing is left of the way there.
    fn grow(
        &mut self,
        memory: &mut Memory,
        filter: TopicFilter<'_>,
    ) -> Result<(Handle<Node>, Ending), OutOfMemory> {
        let root = match self.root {
            Some(root) => root,
            None => {
                let root = self.insert_node(memory, None, b"")?;
                self.root = Some(root);
                root
            }
        };
        let (levels, ending) = split(filter);
        let mut node = root;
        for level in levels.into_iter().flat_map(|levels| levels.split('/')) {
            match self.grow_child(memory, node, level) {
                Ok(child) => node = child,
                Err(error) => {
                    self.prune(memory, node);
                    return Err(error);
                }
            }
        }
        Ok((node, ending))
    }

    fn grow_child(
        &mut self,
        memory: &mut Memory,
        node: Handle<Node>,
        level: &str,
    ) -> Result<Handle<Node>, OutOfMemory> {
        if level == "+" {
            if let Some(plus) = self.nodes[node].plus {
                return Ok(plus);
            }
            let plus = self.insert_node(memory, Some(node), b"")?;
            self.nodes[node].plus = Some(plus);
            return Ok(plus);
        }
        if let Some(child) = self.child(node, level.as_bytes()) {
            return Ok(child);
        }
        let hasher = self.hasher;
        let Tree { nodes, edges, .. } = self;
        let hash_of = |nodes: &Slab<Node>, &child: &Handle<Node>| {
            let child = &nodes[child];
            hasher.hash(child.parent.map_or(0, Handle::number), &child.name)
        };
        memory.reserve_entry(edges, |child| hash_of(nodes, child), Purpose::Connection)?;
        let child = self.insert_node(memory, Some(node), level.as_bytes())?;
        let Tree { nodes, edges, .. } = self;
        insert_reserved(edges, hash_of(nodes, &child), child, |child| hash_of(nodes, child));
        nodes[node].children += 1;
        Ok(child)
    }

    fn insert_node(
        &mut self,
        memory: &mut Memory,
        parent: Option<Handle<Node>>,
        name: &[u8],
    ) -> Result<Handle<Node>, OutOfMemory> {
        self.nodes.reserve(memory, 1, Purpose::Connection)?;
        let name = memory.join([name, b""], Purpose::Connection)?;
        let node = Node { parent, name, plus: None, subscribers: [None; 2], children: 0 };
        self.nodes.insert(memory, node, Purpose::Connection)
    }

    /// Looks through the node's subscribers and the session's subscriptions at the same time, so that the shorter of
    /// the two lists decides what it costs.
    fn find(
        &self,
        node: Handle<Node>,
        ending: Ending,
        session: Handle<Session>,
        list: Subscriptions,
    ) -> Option<Handle<Subscription>> {
        let mut in_node = self.nodes[node].subscribers[ending as usize];
        let mut in_session = list;
        while let (Some(one), Some(other)) = (in_node, in_session) {
            if self.subscriptions[one].session == session {
                return in_node;
            }
            let candidate = &self.subscriptions[other];
            if candidate.node == node && candidate.ending == ending {
                return in_session;
            }
            in_node = self.subscriptions[one].next_in_node;
            in_session = candidate.next_in_session;
        }
        None
    }

    fn remove_from_session(&mut self, subscription: Handle<Subscription>, list: &mut Subscriptions) {
        let Subscription { next_in_session: next, previous_in_session: previous, .. } =
            self.subscriptions[subscription];
        if let Some(next) = next {
            self.subscriptions[next].previous_in_session = previous;
        }
        match previous {
            Some(previous) => self.subscriptions[previous].next_in_session = next,
            None => *list = next,
        }
    }

    fn remove_from_node(&mut self, memory: &mut Memory, handle: Handle<Subscription>) {
        let Some(subscription) = self.subscriptions.remove(handle) else { return };
        if let Some(next) = subscription.next_in_node {
            self.subscriptions[next].previous_in_node = subscription.previous_in_node;
        }
        match subscription.previous_in_node {
            Some(previous) => self.subscriptions[previous].next_in_node = subscription.next_in_node,
            None => {
                let node = &mut self.nodes[subscription.node];
                node.subscribers[subscription.ending as usize] = subscription.next_in_node;
            }
        }
        self.prune(memory, subscription.node);
    }

    /// Removes a node that nothing needs any more, and those above it that only led there.
    fn prune(&mut self, memory: &mut Memory, mut node: Handle<Node>) {
        loop {
            let entry = &self.nodes[node];
            if entry.children > 0 || entry.plus.is_some() || entry.subscribers != [None; 2] {
                return;
            }
            match entry.parent {
                None => self.root = None,
                Some(parent) if self.nodes[parent].plus == Some(node) => self.nodes[parent].plus = None,
                Some(parent) => {
                    let hash = self.hasher.hash(parent.number(), &entry.name);
                    if let Ok(edge) = self.edges.find_entry(hash, |&child| child == node) {
                        edge.remove();
                        self.nodes[parent].children -= 1;
                    }
                }
            }
            let Some(entry) = self.nodes.remove(node) else { return };
            memory.release_block(entry.name);
            match entry.parent {
                Some(parent) => node = parent,
                None => return,
            }
        }
    }
}

/// The levels that lead to a filter's node, if it is not the root, and which of the node's lists it is in.
fn split(filter: TopicFilter<'_>) -> (Option<&str>, Ending) {
    let filter = filter.as_str();
    match filter.strip_suffix("/#") {
        Some(levels) => (Some(levels), Ending::Multi),
        None if filter == "#" => (None, Ending::Multi),
        None => (Some(filter), Ending::Exact),
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::String;
    use alloc::vec::Vec;

    use obkmq_mqtt::{TopicName, matches};
    use proptest::prelude::*;

    use super::*;

    fn session(index: usize) -> Handle<Session> {
        Handle::from_index(index).unwrap()
    }

    fn filter(text: &str) -> TopicFilter<'_> {
        TopicFilter::new(text).unwrap()
    }

    fn found(tree: &Tree, topic: &str) -> Vec<usize> {
        let mut found = Vec::new();
        tree.matching(topic.as_bytes(), |subscription| found.push(subscription.session().index()));
        found.sort_unstable();
        found
    }

    #[test]
    fn a_failing_growth_leaves_nothing_behind() {
        let tree = || Tree::new(Hasher::new(1));
        let mut memory = Memory::new(1 << 20);
        let mut list = None;
        let mut whole = tree();
        whole
            .subscribe(&mut memory, filter("a/+/b/c/#"), session(0), &mut list, QoS::AtMostOnce, true)
            .unwrap();
        let needed = memory.used() * 2;
        let mut failures = 0;
        for limit in 0..needed {
            let mut memory = Memory::new(limit);
            let mut tree = tree();
            let mut list = None;
            let result = tree.subscribe(
                &mut memory,
                filter("a/+/b/c/#"),
                session(0),
                &mut list,
                QoS::AtMostOnce,
                true,
            );
            if result.is_err() {
                failures += 1;
                assert!(list.is_none());
                assert_eq!((tree.live(), tree.nodes.live()), (0, usize::from(tree.root.is_some())));
                assert!(found(&tree, "a/x/b/c").is_empty());
            }
        }
        assert!(failures > 10);
    }

    #[test]
    fn the_same_filter_twice_is_one_subscription() {
        let mut memory = Memory::new(1 << 20);
        let mut tree = Tree::new(Hasher::new(1));
        let mut list = None;
        let mut other = None;
        let mut subscribe = |list: &mut Subscriptions, index, qos| {
            tree.subscribe(&mut memory, filter("a/#"), session(index), list, qos, true).unwrap()
        };
        assert!(subscribe(&mut list, 0, QoS::AtMostOnce));
        assert!(subscribe(&mut other, 1, QoS::AtMostOnce));
        assert!(!subscribe(&mut list, 0, QoS::AtLeastOnce));
        let mut seen = Vec::new();
        tree.matching(b"a", |found| seen.push((found.session().index(), found.qos())));
        assert!(seen.contains(&(0, QoS::AtLeastOnce)) && seen.contains(&(1, QoS::AtMostOnce)));
        assert_eq!(seen.len(), 2);
        assert!(tree.unsubscribe(&mut memory, filter("a/#"), session(0), &mut list));
        assert!(!tree.unsubscribe(&mut memory, filter("a/#"), session(0), &mut list));
        assert_eq!(found(&tree, "a/b"), [1]);
    }

    fn level() -> impl Strategy<Value = &'static str> {
        proptest::sample::select(&["a", "b", "", "$a", "long-level-name"][..])
    }

    fn filters() -> impl Strategy<Value = String> {
        let level = prop_oneof![3 => level(), 2 => Just("+")];
        (proptest::collection::vec(level, 0..5), any::<bool>()).prop_filter_map(
            "empty",
            |(mut levels, multi)| {
                if multi {
                    levels.push("#");
                }
                let text = levels.join("/");
                TopicFilter::new(&text).is_ok().then_some(text)
            },
        )
    }

    fn topics() -> impl Strategy<Value = String> {
        proptest::collection::vec(level(), 1..5)
            .prop_map(|levels| levels.join("/"))
            .prop_filter("empty", |topic| !topic.is_empty())
    }

    proptest! {
        /// The tree against a plain list and the definition of a match, while subscriptions come and go.
        #[test]
        fn the_tree_finds_what_the_definition_finds(
            steps in proptest::collection::vec((0usize..4, filters(), any::<bool>()), 1..60),
            topics in proptest::collection::vec(topics(), 1..10),
        ) {
            let mut memory = Memory::new(1 << 20);
            let mut tree = Tree::new(Hasher::new(7));
            let mut lists = [None; 4];
            let mut model: Vec<(usize, String)> = Vec::new();
            for (index, text, add) in &steps {
                let key = (*index, text.clone());
                let known = model.contains(&key);
                if *add {
                    let added = tree
                        .subscribe(&mut memory, filter(text), session(*index), &mut lists[*index], QoS::AtMostOnce, true)
                        .unwrap();
                    prop_assert_eq!(added, !known);
                    if !known {
                        model.push(key);
                    }
                } else {
                    let removed =
                        tree.unsubscribe(&mut memory, filter(text), session(*index), &mut lists[*index]);
                    prop_assert_eq!(removed, known);
                    model.retain(|entry| *entry != key);
                }
            }
            prop_assert_eq!(tree.live(), model.len());
            for topic in &topics {
                let name = TopicName::new(topic).unwrap();
                let mut expected: Vec<usize> = model
                    .iter()
                    .filter(|(_, text)| matches(filter(text), name))
                    .map(|(index, _)| *index)
                    .collect();
                expected.sort_unstable();
                prop_assert_eq!(found(&tree, topic), expected, "{}", topic);
            }
            for list in &mut lists {
                tree.unsubscribe_all(&mut memory, list);
            }
            prop_assert!(tree.root.is_none());
            tree.trim(&mut memory);
            prop_assert_eq!(memory.used(), 0);
        }
    }

    #[test]
    fn many_unrelated_subscriptions_are_not_visited() {
        let mut memory = Memory::new(1 << 26);
        let mut tree = Tree::new(Hasher::new(1));
        let mut list = None;
        for index in 0..10_000 {
            let text = format!("site/{index}/state");
            tree.subscribe(&mut memory, filter(&text), session(0), &mut list, QoS::AtMostOnce, true).unwrap();
        }
        assert_eq!(found(&tree, "site/77/state").len(), 1);
        assert_eq!(found(&tree, "site/77/other").len(), 0);
        tree.unsubscribe_all(&mut memory, &mut list);
        tree.trim(&mut memory);
        assert_eq!(memory.used(), 0);
    }
}
