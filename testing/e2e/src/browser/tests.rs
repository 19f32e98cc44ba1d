//! The driver against pages of its own: what a browser does is real, what the page does is made up.

use super::*;
use axum::Router;
use axum::http::StatusCode;
use axum::response::Html;
use axum::routing::get;
use std::fs;

/// A page that looks to the driver like the real one.
const PAGE: &str = r##"<!doctype html><title>A page</title><link rel="icon" href="data:,">
<button id="call">Call</button> <button id="mute">Mute</button> <button id="hang-up">Hang up</button>
<script>
let call = "idle", muted = false;
document.querySelector("#call").onclick = () => { call = "calling"; setTimeout(() => (call = "connected"), 300); };
document.querySelector("#mute").onclick = () => (muted = !muted);
document.querySelector("#hang-up").onclick = () => { call = "failed"; console.error("it broke"); };
window.page = {
    state: () => ({ ready: true, call, muted, microphoneLevel: 0.5, remoteLevel: 0, secondsConnected: 0,
        endReason: call === "failed" ? "ice_failed" : undefined, log: ["one", "two"] }),
};
</script>"##;

const SECONDS: Duration = Duration::from_secs(10);

fn options(folder: &Path) -> BrowserOptions {
    let microphone = folder.join("microphone.wav");
    Audio::silence(Duration::from_secs(1)).save(&microphone).unwrap();
    BrowserOptions::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("../web"), microphone)
}

async fn serve(page: &'static str) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let nothing = || async { (StatusCode::NOT_FOUND, "nothing is here") };
    let router = Router::new()
        .route("/", get(move || async move { Html(page) }))
        .fallback(nothing);
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}/")
}

/// Processes that were started for this folder's microphone.
fn processes_of(folder: &Path) -> usize {
    let wanted = folder.display().to_string();
    let entries = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let commands = entries.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    commands
        .filter(|command| String::from_utf8_lossy(command).contains(&wanted))
        .count()
}

async fn assert_no_process_is_left(folder: &Path) {
    let started = Instant::now();
    while processes_of(folder) > 0 {
        assert!(
            started.elapsed() < SECONDS,
            "{} processes are left",
            processes_of(folder)
        );
        tokio::time::sleep(POLL).await;
    }
}

#[tokio::test]
async fn a_page_is_clicked_read_and_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let mut browser = Browser::launch(&options(folder.path())).await.unwrap();
    browser.open(&serve(PAGE).await).await.unwrap();
    assert_eq!(browser.state().await.unwrap().call, CallState::Idle);
    browser.call().await.unwrap();
    browser.wait_for(CallState::Connected, SECONDS).await.unwrap();
    browser.set_muted(true).await.unwrap();
    browser.set_muted(true).await.unwrap();
    assert!(browser.state().await.unwrap().muted);
    assert!(browser.text().await.unwrap().contains("Hang up"));
    let picture = folder.path().join("page.png");
    browser.screenshot(&picture).await.unwrap();
    assert!(fs::read(&picture).unwrap().starts_with(b"\x89PNG"));

    browser.hang_up().await.unwrap();
    let error = browser
        .wait_for(CallState::Ended, SECONDS)
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("Ended") && error.contains("ice_failed") && error.contains("two"),
        "{error}"
    );
    let errors = browser.console_errors().await.unwrap();
    assert!(
        matches!(&errors[..], [error] if error.contains("it broke")),
        "{errors:?}"
    );
    browser.close().await.unwrap();
    assert_no_process_is_left(folder.path()).await;
}

#[tokio::test]
async fn a_wait_ends_and_says_what_it_was_for() {
    let folder = tempfile::tempdir().unwrap();
    let mut browser = Browser::launch(&options(folder.path())).await.unwrap();
    browser.open(&serve(PAGE).await).await.unwrap();
    let limit = Duration::from_millis(300);
    let error = browser
        .wait_until("to hear a pin drop", limit, |page| page.remote_level > 0.0)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("to hear a pin drop"), "{error}");
    drop(browser);
    assert_no_process_is_left(folder.path()).await;
}

#[tokio::test]
async fn what_cannot_be_opened_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let mut browser = Browser::launch(&options(folder.path())).await.unwrap();
    let url = serve("<!doctype html><title>Another page</title>").await;
    let wrong_page = browser.open(&url).await.unwrap_err().to_string();
    assert!(wrong_page.contains("did not start"), "{wrong_page}");
    let missing = browser.open(&format!("{url}missing")).await.unwrap_err().to_string();
    assert!(missing.contains("404"), "{missing}");
    let nobody = browser.open("http://127.0.0.1:9/").await.unwrap_err().to_string();
    assert!(nobody.contains("http://127.0.0.1:9/"), "{nobody}");
    browser.close().await.unwrap();
}
