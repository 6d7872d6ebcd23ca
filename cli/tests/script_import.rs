//! The real program fetches the scripts of a device that answers as OpenBeken's file API does.
// Helper functions of integration tests are not exempt as test functions are.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Output};
use std::thread;

/// A device: what it answers to each path. OpenBeken ends its header lines in two ways, says no length and closes.
fn device(answers: &'static [(&'static str, u16, &'static str)]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = String::new();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            while reader.read_line(&mut request).unwrap() > 2 {}
            let path = request.split(' ').nth(1).unwrap();
            let found = answers.iter().find(|(known, ..)| *known == path);
            let (_, status, body) = found.copied().unwrap_or(("", 404, "{\"error\":-2}"));
            let kind = "Content-type: application/octet-stream\nAccess-Control-Allow-Origin: *\r\n\r\n";
            let _ = write!(stream, "HTTP/1.1 {status} OK\r\n{kind}{body}");
        }
    });
    address
}

fn import(home: &Path, device: &str, options: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_obkmq"));
    command.args(["script", "import", device]).args(options).current_dir(home).env_clear().env("HOME", home);
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

const SCRIPT: &str = "autoexec = module('autoexec')\nreturn autoexec\n";
const LISTING: &str = "{\"dir\":\"\",\"content\":[{\"name\":\".\",\"type\":2,\"size\":0},\
    {\"name\":\"autoexec.be\",\"type\":1,\"size\":47},{\"name\":\"old.be\",\"type\":2,\"size\":0},\
    {\"name\":\"night.bat\",\"type\":1,\"size\":9},{\"name\":\"page.html\",\"type\":1,\"size\":9},\
    {\"name\":\"../evil.be\",\"type\":1,\"size\":9}]}";

#[test]
fn the_scripts_of_a_device_come_into_the_folder_and_nothing_else() {
    let home = tempfile::tempdir().unwrap();
    let device = device(&[
        ("/api/lfs/", 200, LISTING),
        ("/api/lfs/autoexec.be", 200, SCRIPT),
        ("/api/lfs/night.bat", 200, "echo hi\n\n"),
        ("/api/lfs/../evil.be", 200, "evil"),
        ("/api/lfs/page.html", 200, "page"),
        ("/api/lfs/old.be", 200, "a folder's files"),
    ]);
    let url = format!("http://{device}");
    let (code, output, errors) = import(home.path(), &url, &["--into", "lamp"]);
    assert_eq!(output, "autoexec.be: stored, 46 bytes\nnight.bat: stored, 9 bytes\n", "{errors}");
    assert!(code == 0 && errors.contains("\"../evil.be\" is left out"), "{errors}");
    let lamp = home.path().join("lamp");
    assert_eq!(std::fs::read_to_string(lamp.join("autoexec.be")).unwrap(), SCRIPT);
    let mut names: Vec<_> =
        std::fs::read_dir(&lamp).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["autoexec.be", "night.bat"]);
    assert!(!home.path().join("evil.be").exists());

    // What is there stays, until it is to be replaced.
    std::fs::write(lamp.join("autoexec.be"), "mine").unwrap();
    let (_, output, _) = import(home.path(), &url, &["--into", "lamp", "--json"]);
    let first = output.lines().next().unwrap();
    assert!(first.contains("\"file\":\"autoexec.be\"") && first.contains("\"state\":\"there\""), "{output}");
    assert_eq!(std::fs::read_to_string(lamp.join("autoexec.be")).unwrap(), "mine");
    import(home.path(), &url, &["--into", "lamp", "--overwrite"]);
    assert_eq!(std::fs::read_to_string(lamp.join("autoexec.be")).unwrap(), SCRIPT);
}

#[test]
fn a_device_that_lists_nothing_is_asked_for_what_it_may_have() {
    let home = tempfile::tempdir().unwrap();
    let device = device(&[("/api/lfs/autoexec.bat", 200, "startDriver MQTTServer\n")]);
    let (code, output, errors) = import(home.path(), &format!("http://{device}/"), &[]);
    assert_eq!((code, output.as_str()), (0, "autoexec.bat: stored, 23 bytes\n"), "{errors}");
}

#[test]
fn what_cannot_be_fetched_is_said() {
    let home = tempfile::tempdir().unwrap();
    let nothing = device(&[("/api/lfs/", 200, "{\"dir\":\"\",\"content\":[]}")]);
    let (code, _, errors) = import(home.path(), &format!("http://{nothing}"), &[]);
    assert!(code == 2 && errors.contains("has no scripts"), "{errors}");
    let locked = device(&[("/api/lfs/", 401, "")]);
    let (code, _, errors) = import(home.path(), &format!("http://{locked}"), &[]);
    assert!(code == 9 && errors.contains("it wants a password"), "{errors}");
    let broken = device(&[("/api/lfs/", 500, "")]);
    let (code, _, errors) = import(home.path(), &format!("http://{broken}"), &[]);
    assert!(code == 9 && errors.contains("HTTP status 500"), "{errors}");
    let (code, _, errors) = import(home.path(), "http://127.0.0.1:1", &[]);
    assert!(code == 9 && errors.contains("cannot be read from"), "{errors}");
    let long: &'static str = Box::leak("x".repeat(300_000).into_boxed_str());
    let answers = Box::leak(Box::new([("/api/lfs/", 200, long)]));
    let large = device(answers);
    let (code, _, errors) = import(home.path(), &format!("http://{large}"), &[]);
    assert!(code == 9 && errors.contains("more than 262144 bytes"), "{errors}");
}
