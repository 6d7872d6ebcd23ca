//! Devices that come and go.

use crate::packets::DISCONNECT;
use crate::world::World;

#[test]
fn a_thousand_reconnects_are_all_let_in_and_leave_nothing() {
    let mut world = World::new();
    let resident = world.join(0, None);
    let host = world.join(60, None);
    world.abort(host);
    world.run_ms(8_000);
    let before = world.held();
    for round in 0..1_000 {
        world.rejoin(host, 60, Some("gone"));
        match round % 3 {
            // The broker ends first, and has to wait for late segments.
            0 => world.send(host, &DISCONNECT),
            1 => world.close(host),
            _ => world.abort(host),
        }
        world.run_ms(1);
    }
    world.abort(host);
    world.run_ms(8_000);
    assert_eq!(world.held(), before);
    world.send(resident, &[0xC0, 0]);
    world.expect(resident, &[0xD0, 0]);
}
