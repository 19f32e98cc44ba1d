//! Installs what the tests and the demonstration need, once.
//!
//! Each step looks first whether its work is done, in the pinned version, so that a second run takes a moment.

use crate::command::{output, root, run as execute, say, tools};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::Path;
use std::process::Command;

/// A Debian package, and a command that succeeds where it is installed.
type DebianPackage = (&'static str, &'static str, &'static [&'static str]);

/// Debian packages of the tests and the demonstration.
const DEBIAN_PACKAGES: [DebianPackage; 5] = [
    // These two build libopus, which is bundled with its Rust crate.
    ("cmake", "cmake", &["--version"]),
    ("g++", "c++", &["--version"]),
    // The browser of the end-to-end scenarios.
    ("chromium", "chromium", &["--version"]),
    // Makes the speech that goes through the bridge.
    ("espeak-ng", "espeak-ng", &["--version"]),
    ("python3-venv", "python3", &["-c", "import ensurepip, venv"]),
];

/// Debian packages of the benches.
const DEBIAN_PACKAGES_FOR_BENCHES: [DebianPackage; 4] = [
    // Counts instructions.
    ("valgrind", "valgrind", &["--version"]),
    // What mixing and forwarding are compared to.
    // It says its version too, and calls that a failure.
    ("janus", "sh", &["-c", "command -v janus"]),
    // What speech through bad networks is judged by is built when it is installed.
    ("python3-dev", "python3-config", &["--includes"]),
    ("python3-venv", "python3", &["-c", "import ensurepip, venv"]),
];

/// Debian packages of `docker-compose.yml`.
const DEBIAN_PACKAGES_FOR_DOCKER: [DebianPackage; 5] = [
    ("docker.io", "dockerd", &["--version"]),
    ("docker-compose", "docker-compose", &["version", "--short"]),
    // Makes the base image.
    ("debootstrap", "debootstrap", &["--version"]),
    // These two build what makes the others.
    ("cmake", "cmake", &["--version"]),
    ("g++", "c++", &["--version"]),
];

/// The SFU of calls by MatrixRTC: its Go program in its pinned version, and how the version names itself.
const LIVEKIT: &str = "github.com/livekit/livekit-server/cmd/server@v1.13.5";
const LIVEKIT_VERSION: &str = "livekit-server version 1.13.5";

/// Installs everything that is missing.
pub(crate) fn run() -> Result<()> {
    debian_packages(&DEBIAN_PACKAGES)?;
    // Synapse, and the VDP peer of the tests.
    python_environment("venv", "testing/requirements.txt").context("Python environment")?;
    // Apart from Synapse, whose dependencies are not theirs to choose.
    python_environment("clients", "testing/clients/requirements.txt").context("Python environment of the clients")?;
    npm_packages("testing/clients/discordjs").context("discord.js")?;
    web_page().context("web page")?;
    livekit().context("LiveKit")
}

/// Installs what the benches need and is missing.
pub(crate) fn run_for_benches() -> Result<()> {
    debian_packages(&DEBIAN_PACKAGES_FOR_BENCHES)?;
    python_environment("venv-bench", "testing/bench/requirements.txt").context("Python environment of the benches")
}

/// Installs what `docker-compose.yml` needs and is missing, but for its base images.
pub(crate) fn run_for_docker() -> Result<()> {
    debian_packages(&DEBIAN_PACKAGES_FOR_DOCKER)?;
    livekit().context("LiveKit")
}

fn debian_packages(packages: &[DebianPackage]) -> Result<()> {
    let mut missing = Vec::new();
    for &(package, program, arguments) in packages {
        match output(Command::new(program).args(arguments)) {
            Some(version) => say_present(package, version.lines().next().unwrap_or_default()),
            None => missing.push(package),
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let by_hand = format!("apt-get install --no-install-recommends {}", missing.join(" "));
    if output(Command::new("id").arg("-u")).as_deref() != Some("0") {
        bail!("missing: {}. As root, run: {by_hand}", missing.join(", "));
    }
    if output(Command::new("apt-get").arg("--version")).is_none() {
        bail!(
            "missing: {}. Install them with this system's package manager",
            missing.join(", ")
        );
    }
    say(&format!("setup: installing Debian packages: {}", missing.join(" ")));
    execute(Command::new("apt-get").args(["update", "-q"]))?;
    let install = ["install", "-q", "-y", "--no-install-recommends"];
    execute(
        Command::new("apt-get")
            .env("DEBIAN_FRONTEND", "noninteractive")
            .args(install)
            .args(missing),
    )
}

/// The Python packages of a requirements file, in an environment called `name`.
fn python_environment(name: &str, requirements: &str) -> Result<()> {
    let requirements = root().join(requirements);
    let environment = tools()?.join(name);
    if is_current(&environment, &requirements)? {
        say_present("Python packages", &packages(&requirements)?);
        return Ok(());
    }
    say(&format!(
        "setup: installing Python packages: {}",
        packages(&requirements)?
    ));
    fs::create_dir_all(tools()?)?;
    execute(
        Command::new("python3")
            .args(["-m", "venv", "--clear"])
            .arg(&environment),
    )?;
    let pip = [
        "-m",
        "pip",
        "install",
        "--disable-pip-version-check",
        "--quiet",
        "--requirement",
    ];
    execute(
        Command::new(environment.join("bin/python"))
            .args(pip)
            .arg(&requirements),
    )?;
    mark_current(&environment, &requirements)
}

/// The npm packages of a folder, as its lock names them.
fn npm_packages(folder: &str) -> Result<()> {
    let path = root().join(folder);
    let lock = path.join("package-lock.json");
    let modules = path.join("node_modules");
    if is_current(&modules, &lock)? {
        say_present("npm packages", &format!("as in {folder}/package-lock.json"));
        return Ok(());
    }
    say(&format!("setup: installing the npm packages of {folder}"));
    let install = ["ci", "--no-audit", "--no-fund", "--loglevel=error"];
    execute(Command::new("npm").args(install).current_dir(&path))
        .context("npm is part of Node.js 20 or later, which has to be there already")?;
    mark_current(&modules, &lock)
}

/// The page, with what it is made of.
fn web_page() -> Result<()> {
    npm_packages("testing/web")?;
    let web = root().join("testing/web");
    execute(Command::new("npm").args(["run", "--silent", "build"]).current_dir(web))
}

/// LiveKit, which is the only thing that may be missing in the end: the scenarios that need it are skipped then.
fn livekit() -> Result<()> {
    let version = |program: &Path| output(Command::new(program).arg("--version"));
    if let Some(found) = version(Path::new("livekit-server")) {
        say_present("LiveKit", &found);
        return Ok(());
    }
    let folder = tools()?.join("bin");
    let program = folder.join("livekit-server");
    if version(&program).as_deref() == Some(LIVEKIT_VERSION) {
        say_present("LiveKit", LIVEKIT_VERSION);
        return Ok(());
    }
    let skipped = "the scenarios of MatrixRTC will be skipped";
    let Some(go) = output(Command::new("go").arg("version")) else {
        say(&format!(
            "setup: MISSING: LiveKit, and Go, which would build it: {skipped}. Install Go (https://go.dev/dl), or a livekit-server on PATH"
        ));
        return Ok(());
    };
    say(&format!("setup: building LiveKit with {go}, which takes some minutes"));
    // Go names each package that it has built.
    let mut install = Command::new("go");
    install.args(["install", "-v", LIVEKIT]).env("GOBIN", &folder);
    if let Err(error) = execute(&mut install) {
        say(&format!("setup: MISSING: LiveKit: {error:#}: {skipped}"));
        return Ok(());
    }
    // Go calls a program as the last folder of its source is called.
    Ok(fs::rename(folder.join("server"), program)?)
}

fn say_present(what: &str, version: &str) {
    let version = if version.is_empty() {
        String::new()
    } else {
        format!(" ({version})")
    };
    say(&format!("setup: found {what}{version}"));
}

/// The lines of a requirements file that name a package.
fn packages(requirements: &Path) -> Result<String> {
    let text = fs::read_to_string(requirements)?;
    let lines = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    Ok(lines.collect::<Vec<_>>().join(", "))
}

/// The copy of a list of packages that an installed folder was made from; written last, so that a set-up that was
/// interrupted is done again.
const MADE_FROM: &str = ".made-from";

fn is_current(installed: &Path, list: &Path) -> Result<bool> {
    let wanted = fs::read(list).with_context(|| list.display().to_string())?;
    Ok(fs::read(installed.join(MADE_FROM)).is_ok_and(|made_from| made_from == wanted))
}

fn mark_current(installed: &Path, list: &Path) -> Result<()> {
    fs::copy(list, installed.join(MADE_FROM))?;
    Ok(())
}
