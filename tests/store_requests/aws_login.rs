//! Where credentials for S3 come from: every link of AWS's chain, as its users set it up. The program itself is started
//! with the environment and the files of each case; the recorder is S3, STS, SSO, the container's and the instance's
//! metadata at once. The access key of the request that reaches S3 says which source was used.

use std::net::{Ipv4Addr, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use secor::store::{Class, S3Settings, Secret, StoreSettings, open};

use super::harness::{PATIENCE, Secor, Server, free_port};
use super::recorder::{Answer, Recorder, Request};

/// All of Amazon that is asked here.
fn amazon() -> Recorder {
    Recorder::start(|request| {
        let path = request.target.split('?').next().unwrap_or_default();
        match (request.method.as_str(), path) {
            ("POST", "/") => sts(request, Duration::from_secs(3600)),
            ("PUT", "/latest/api/token") => Answer {
                headers: vec![("x-aws-ec2-metadata-token-ttl-seconds", "21600".to_owned())],
                ..Answer::new(200, "imds-token")
            },
            ("GET", "/latest/meta-data/iam/security-credentials/") => Answer::new(200, "the-role"),
            ("GET", "/latest/meta-data/iam/security-credentials/the-role") => {
                Answer::new(200, metadata("ASIAINSTANCE"))
            }
            ("GET", "/container") => Answer::new(200, metadata("ASIACONTAINER")),
            ("GET", "/federation/credentials") => Answer::new(200, sso()),
            _ => Answer::new(404, "<Error><Code>NoSuchKey</Code></Error>"),
        }
    })
}

/// The answer of STS; the key is named after the role.
fn sts(request: &Request, life: Duration) -> Answer {
    let form = request.text();
    let field = |name: &str| form.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')).unwrap_or("");
    let (action, role) = (field("Action"), field("RoleArn").rsplit("%2F").next().unwrap_or_default().to_owned());
    let ends = Timestamp::try_from(SystemTime::now() + life).expect("soon");
    Answer {
        headers: vec![("Content-Type", "text/xml".to_owned())],
        ..Answer::new(
            200,
            format!(
                "<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{action}Result><Credentials>\
                 <AccessKeyId>ASIA{role}</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>\
                 <Expiration>{ends:.3}</Expiration></Credentials><AssumedRoleUser><Arn>arn:aws:sts::1:x</Arn>\
                 <AssumedRoleId>AROA:x</AssumedRoleId></AssumedRoleUser></{action}Result></{action}Response>"
            ),
        )
    }
}

fn metadata(key: &str) -> String {
    format!(
        "{{\"Code\":\"Success\",\"Type\":\"AWS-HMAC\",\"AccessKeyId\":\"{key}\",\"SecretAccessKey\":\"s\",\"Token\":\"t\",\
         \"LastUpdated\":\"2026-01-01T00:00:00Z\",\"Expiration\":\"2099-01-01T00:00:00Z\"}}"
    )
}

fn sso() -> String {
    "{\"roleCredentials\":{\"accessKeyId\":\"ASIASSO\",\"secretAccessKey\":\"s\",\"sessionToken\":\"t\",\
     \"expiration\":4070908800000}}"
        .to_owned()
}

/// One way to log in.
#[derive(Default)]
struct Login<'a> {
    /// Lines of `[store.s3]`.
    settings: &'a str,
    /// Variables; `@` stands for the recorder's endpoint, `~` for the home folder.
    environment: &'a [(&'a str, &'a str)],
    /// Of `~/.aws/config`.
    config: &'a str,
}

/// The access key with which the program asks S3.
#[track_caller]
fn access_key(login: &Login<'_>, amazon: &Recorder) -> String {
    let mut secor = Secor::new(|_| {
        format!(
            "[kafka]\nbrokers = [\"127.0.0.1:9\"]\ngroup = \"g\"\n[store]\nurl = \"s3://bucket/raw\"\n[store.s3]\n\
             endpoint = \"{}\"\nallow_http = true\n{}\n[[archive]]\ntopics = [\"clicks\"]\n",
            amazon.endpoint(),
            login.settings.replace('@', &amazon.endpoint())
        )
    });
    let home = secor.folder().to_owned();
    let home_text = home.to_str().expect("an ordinary path").to_owned();
    std::fs::create_dir_all(home.join(".aws/sso/cache")).expect("writable");
    std::fs::write(home.join(".aws/config"), login.config.replace('@', &amazon.endpoint())).expect("writable");
    std::fs::write(home.join("token"), "subject-token").expect("writable");
    // the file's name is the SHA-1 of the session's name
    let cached = home.join(".aws/sso/cache/d033e22ae348aeb5660fc2140aec35850c4da997.json");
    std::fs::write(cached, "{\"accessToken\":\"sso-token\",\"expiresAt\":\"2099-01-01T00:00:00Z\"}").expect("writable");
    let quiet = [("HOME", "~"), ("AWS_EC2_METADATA_DISABLED", "true")];
    for (name, value) in quiet.iter().chain(login.environment) {
        secor.set_env(name, &value.replace('@', &amazon.endpoint()).replace('~', &home_text));
    }
    let finished = secor.run_within(PATIENCE, &["verify"]);
    let asked = amazon.requests().into_iter().rev().find(|request| request.target.starts_with("/bucket"));
    let asked = asked.unwrap_or_else(|| panic!("S3 was not asked:\n{}", finished.stderr));
    asked.access_key().to_owned()
}

#[test]
fn the_environment_and_profiles_log_in() {
    let profiles = "[default]\nregion = eu-west-1\naws_access_key_id = AKIADEFAULT\naws_secret_access_key = s\n\
                    [profile process]\ncredential_process = /bin/echo '{\"Version\":1,\"AccessKeyId\":\"AKIAPROCESS\",\
                    \"SecretAccessKey\":\"s\"}'\n";
    let keys: &[(&str, &str)] = &[("AWS_ACCESS_KEY_ID", "AKIAENV"), ("AWS_SECRET_ACCESS_KEY", "s")];
    let amazon = amazon();
    let login = Login { config: profiles, ..Login::default() };
    assert_eq!(access_key(&Login { environment: keys, ..login }, &amazon), "AKIAENV");
    assert_eq!(access_key(&login, &amazon), "AKIADEFAULT");
    let region = amazon.requests().last().expect("asked").header("authorization").contains("/eu-west-1/s3/");
    assert!(region, "the profile's region");
    let login = Login { settings: "profile = \"process\"", ..login };
    assert_eq!(access_key(&login, &amazon), "AKIAPROCESS");
}

#[test]
fn roles_are_assumed_from_profiles_and_by_configuration() {
    let amazon = amazon();
    let chained = "[profile base]\naws_access_key_id = AKIABASE\naws_secret_access_key = s\n\
                   [profile chained]\nsource_profile = base\nrole_arn = arn:aws:iam::1:role/CHAINED\nexternal_id = ex-1\n";
    let login = Login {
        settings: "profile = \"chained\"",
        config: chained,
        environment: &[("AWS_ENDPOINT_URL_STS", "@"), ("AWS_REGION", "eu-central-1")],
    };
    assert_eq!(access_key(&login, &amazon), "ASIACHAINED");
    let asked = amazon.last("POST");
    assert_eq!(asked.access_key(), "AKIABASE");
    assert!(asked.text().contains("ExternalId=ex-1"), "{}", asked.text());

    let login = Login {
        settings: "access_key_id = \"AKIASTATIC\"\nsecret_access_key = \"s\"\nrole_arn = \"arn:aws:iam::1:role/DIRECT\"\n\
                   external_id = \"ex-2\"\nrole_session_name = \"nightly\"\nsts_endpoint = \"@\"",
        ..Login::default()
    };
    assert_eq!(access_key(&login, &amazon), "ASIADIRECT");
    let asked = amazon.last("POST");
    assert_eq!(asked.access_key(), "AKIASTATIC");
    for field in ["Action=AssumeRole", "ExternalId=ex-2", "RoleSessionName=nightly", "RoleArn=arn%3Aaws%3Aiam%3A%3A1"] {
        assert!(asked.text().contains(field), "no {field} in {}", asked.text());
    }
}

#[test]
fn web_identity_containers_and_instances_log_in() {
    let amazon = amazon();
    let web = Login {
        environment: &[
            ("AWS_WEB_IDENTITY_TOKEN_FILE", "~/token"),
            ("AWS_ROLE_ARN", "arn:aws:iam::1:role/WEB"),
            ("AWS_ENDPOINT_URL_STS", "@"),
        ],
        ..Login::default()
    };
    assert_eq!(access_key(&web, &amazon), "ASIAWEB");
    assert!(amazon.last("POST").text().contains("WebIdentityToken=subject-token"));

    let container = Login {
        environment: &[
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "@/container"),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "pod"),
        ],
        ..Login::default()
    };
    assert_eq!(access_key(&container, &amazon), "ASIACONTAINER");
    let asked = amazon.requests().into_iter().rev().find(|request| request.target == "/container").expect("asked");
    assert_eq!(asked.header("authorization"), "pod");

    let instance = Login {
        environment: &[("AWS_EC2_METADATA_SERVICE_ENDPOINT", "@"), ("AWS_EC2_METADATA_DISABLED", "false")],
        ..Login::default()
    };
    assert_eq!(access_key(&instance, &amazon), "ASIAINSTANCE");
    let asked =
        amazon.requests().into_iter().rev().find(|request| request.target.ends_with("/the-role")).expect("asked");
    assert_eq!(asked.header("x-aws-ec2-metadata-token"), "imds-token", "version 2 of the protocol");
}

#[test]
fn a_single_sign_on_logs_in() {
    let amazon = amazon();
    let sso = Login {
        settings: "profile = \"sso\"",
        config: "[profile sso]\nsso_session = admin\nsso_account_id = 1\nsso_role_name = reader\n\
                 [sso-session admin]\nsso_region = eu-central-1\nsso_start_url = https://example.awsapps.com/start\n",
        environment: &[("AWS_ENDPOINT_URL_SSO", "@")],
    };
    assert_eq!(access_key(&sso, &amazon), "ASIASSO");
    let asked = amazon.requests().into_iter().find(|request| request.target.starts_with("/federation")).expect("asked");
    assert_eq!(asked.header("x-amz-sso_bearer_token"), "sso-token");
}

fn with_role(endpoint: &str, sts: &str) -> StoreSettings {
    StoreSettings {
        s3: S3Settings {
            endpoint: Some(endpoint.to_owned()),
            region: Some("us-east-1".to_owned()),
            access_key_id: Some("AKIASTATIC".to_owned()),
            secret_access_key: Some(Secret::new("s")),
            role_arn: Some("arn:aws:iam::123456789012:role/archive".to_owned()),
            sts_endpoint: Some(sts.to_owned()),
            allow_http: true,
            ..S3Settings::default()
        },
        ..StoreSettings::at("s3://bucket/raw")
    }
}

/// The answer of an STS that others wrote is understood.
#[tokio::test]
async fn a_role_is_assumed_at_moto() {
    let (server, port) = (0..5)
        .find_map(|_| {
            let port = free_port();
            let server = Server::new("aws", "aws.sh", &[port.to_string()]);
            let answers = |_: &str| TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok();
            server.start(PATIENCE, answers).is_ok().then_some((server, port))
        })
        .expect("moto starts (tests/lab/install.sh aws?)");
    let amazon = amazon();
    let store = open(&with_role(&amazon.endpoint(), &format!("http://127.0.0.1:{port}"))).expect("good settings");
    assert_eq!(store.get("x").await.expect("answered"), None);
    let asked = amazon.last("GET");
    assert!(asked.access_key().starts_with("ASIA"), "{asked:?}");
    assert!(!asked.header("x-amz-security-token").is_empty(), "{asked:?}");
    drop(server);
}

/// A credential that ends in mid-run is replaced ahead of its end, once, without a request that fails.
#[tokio::test]
async fn a_credential_is_renewed_before_it_ends() {
    let issued = AtomicU32::new(0);
    let amazon = Recorder::start(move |request| match request.method.as_str() {
        "POST" => {
            let mut answer = sts(request, Duration::from_secs(8));
            let number = issued.fetch_add(1, Ordering::Relaxed);
            answer.body = answer.body.replace("ASIAarchive", &format!("ASIA{number}"));
            answer
        }
        _ => Answer::new(404, "<Error><Code>NoSuchKey</Code></Error>"),
    });
    let store = open(&with_role(&amazon.endpoint(), &amazon.endpoint())).expect("good settings");
    let began = SystemTime::now();
    let renewed = async {
        loop {
            store.get("x").await.expect("no request fails for want of a credential");
            if amazon.last("GET").access_key() == "ASIA1" {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, renewed).await.expect("a second credential");
    let elapsed = began.elapsed().expect("clocks go forward");
    assert!(
        elapsed < Duration::from_millis(7700),
        "renewed in the last quarter of eight seconds, not after {elapsed:?}"
    );
    let asked = amazon.requests().into_iter().filter(|request| request.method == "POST").count();
    assert_eq!(asked, 2, "each credential was asked for once");
}

#[tokio::test]
async fn a_refused_role_and_a_silent_sts_are_told_apart() {
    let refusing = Recorder::start(|_| Answer {
        headers: vec![("Content-Type", "text/xml".to_owned())],
        ..Answer::new(
            403,
            "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>\
             <Code>AccessDenied</Code><Message>User AKIASTATIC is not authorized to assume the role.</Message></Error>\
             <RequestId>1</RequestId></ErrorResponse>",
        )
    });
    let store = open(&with_role(&refusing.endpoint(), &refusing.endpoint())).expect("good settings");
    let error = store.get("x").await.expect_err("the role is refused");
    assert_eq!(error.class, Class::Denied, "{error}");
    assert!(error.to_string().contains("no credentials: ") && error.to_string().contains("not authorized"), "{error}");
    assert!(error.hint().contains("[store.s3]"), "{}", error.hint());

    let nobody = free_port();
    let store = open(&with_role(&refusing.endpoint(), &format!("http://127.0.0.1:{nobody}"))).expect("good settings");
    let error = store.get("x").await.expect_err("nobody answers");
    assert_eq!(error.class, Class::Unavailable, "{error}");
}
