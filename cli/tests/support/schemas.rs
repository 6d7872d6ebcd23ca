//! What firmware of another schema says, made from what this one says: rewriters for `Setup::reply`.

/// Firmware that has one setting more.
pub(crate) fn newer() -> impl FnMut(&str) -> Vec<String> + Send + 'static {
    let mut rows = 0;
    move |body| {
        if body.starts_with("+ n=1 key=") {
            rows = 1;
        }
        if let (1, Some(lines)) = (rows, body.strip_prefix("ok lines=")) {
            rows = 0;
            let lines: u32 = lines.parse().unwrap();
            let more = format!("+ n={} key=coffee.strength value=strong default=no", lines + 1);
            return vec![more, format!("ok lines={}", lines + 1)];
        }
        vec![body.replace("schema=", "schema=9")]
    }
}

/// Firmware whose table ends before log.level, and which does not say what a change is.
pub(crate) fn older() -> impl FnMut(&str) -> Vec<String> + Send + 'static {
    let mut gone = false;
    move |body| {
        let body = body.replace(" changed=yes", "").replace(" changed=no", "");
        if gone {
            if let Some(lines) = body.strip_prefix("ok lines=") {
                gone = false;
                return vec![format!("ok lines={}", lines.parse::<u32>().unwrap() - 1)];
            }
            let (number, rest) = body.strip_prefix("+ n=").unwrap().split_once(' ').unwrap();
            return vec![format!("+ n={} {rest}", number.parse::<u32>().unwrap() - 1)];
        }
        gone = body.contains(" key=log.level ");
        if gone { Vec::new() } else { vec![body] }
    }
}
