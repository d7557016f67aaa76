//! Logins at a real Keystone. A recorder stands where Swift would: in Keystone's catalog, and it asks Keystone about the
//! token of every request, as Swift's own filter does.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use secor::store::{Class, Secret, StoreSettings, SwiftSettings, open};
use serde_json::Value;

use super::harness::{NotReady, PATIENCE, Server, eventually, free_port};
use super::recorder::{Answer, Recorder};

struct Cloud {
    server: Server,
    port: Arc<AtomicU16>,
    swift: Recorder,
}

// === impl Cloud ===

impl Cloud {
    fn start() -> Self {
        let port = Arc::new(AtomicU16::new(0));
        let asked = Arc::clone(&port);
        let swift = Recorder::start(move |request| {
            match is_good(asked.load(Ordering::Relaxed), request.header("x-auth-token")) {
                Ok(true) => Answer::new(404, ""),
                Ok(false) => Answer::new(401, "<html><h1>Unauthorized</h1><p>Who are you.</p></html>"),
                Err(error) => Answer::new(503, error.to_string()),
            }
        });
        loop {
            port.store(free_port(), Ordering::Relaxed);
            let arguments = [port.load(Ordering::Relaxed).to_string(), format!("{}/v1/AUTH_p", swift.endpoint())];
            let server = Server::new("keystone", "keystone.sh", &arguments);
            match server.start(PATIENCE, |said| said.lines().any(|line| line == "ready")) {
                Ok(()) => return Self { server, port, swift },
                Err(NotReady::PortTaken) => {}
                Err(NotReady::Said(log)) => panic!("it did not start (tests/lab/install.sh keystone?):\n{log}"),
            }
        }
    }

    fn settings(&self, login: SwiftSettings) -> StoreSettings {
        let auth_url = Some(format!("http://127.0.0.1:{}/v3", self.port.load(Ordering::Relaxed)));
        let swift = SwiftSettings { auth_url, allow_http: true, region: Some("here".to_owned()), ..login };
        StoreSettings { swift, ..StoreSettings::at("swift://archive/raw") }
    }

    /// Of all requests, in their order, without repetitions.
    fn tokens(&self) -> Vec<String> {
        let mut tokens: Vec<_> = self.swift.requests().iter().map(|it| it.header("x-auth-token").to_owned()).collect();
        tokens.dedup();
        tokens
    }
}

/// Does Keystone know the token?
fn is_good(port: u16, token: &str) -> std::io::Result<bool> {
    let mut keystone = TcpStream::connect(("127.0.0.1", port))?;
    let headers = format!("Host: keystone\r\nX-Auth-Token: {token}\r\nX-Subject-Token: {token}\r\n");
    write!(keystone, "GET /v3/auth/tokens HTTP/1.0\r\n{headers}\r\n")?;
    let mut status = String::new();
    BufReader::new(keystone).read_line(&mut status)?;
    Ok(status.split(' ').nth(1) == Some("200"))
}

#[test]
fn logins_are_good_at_a_real_keystone_and_its_tokens_are_renewed() {
    let cloud = Cloud::start();
    let credential = std::fs::read(cloud.server.folder().join("credential.json")).expect("it was made");
    let credential: Value = serde_json::from_slice(&credential).expect("JSON");
    let text = |name: &str| credential[name].as_str().map(str::to_owned);
    let password = SwiftSettings {
        user: Some("archiver".to_owned()),
        password: Some(Secret::new("hush")),
        project: Some("logs".to_owned()),
        ..SwiftSettings::default()
    };
    let wrong = SwiftSettings { password: Some(Secret::new("loud")), ..password.clone() };
    let credential = SwiftSettings {
        application_credential_id: text("id"),
        application_credential_secret: text("secret").map(Secret::new),
        ..SwiftSettings::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    for login in [password, credential] {
        let store = open(&cloud.settings(login)).expect("good settings");
        let before = cloud.tokens().len();
        // a token lives for four seconds, and every request is answered
        eventually(PATIENCE, "a second token", || {
            assert_eq!(runtime.block_on(store.get("x")).expect("answered"), None);
            (cloud.tokens().len() >= before + 2).then_some(())
        });
    }
    let denied = runtime.block_on(open(&cloud.settings(wrong)).expect("good settings").get("x"));
    let denied = denied.expect_err("a wrong password");
    assert_eq!(denied.class, Class::Denied, "{denied}");
    assert!(denied.to_string().ends_with("/v3/auth/tokens`: status 401"), "{denied}");
}
