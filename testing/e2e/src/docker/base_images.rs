//! The images that `Dockerfile` and `docker-compose.yml` start from, made on this machine for where they cannot be pulled:
//! from Debian's packages, from PyPI, and from the Rust, the Node.js and the LiveKit that are installed here.

use super::engine::Engine;
use super::{output, root, shown};
use crate::scenarios::print;
use crate::stack::{LIVEKIT_MISSING, LiveKit};
use anyhow::{Context as _, Result};
use std::path::{Path, PathBuf};
use tokio::process::Command;

/// Debian, which the others are made of.
const DEBIAN: &str = "debian:bookworm-slim";
/// What the published one leaves out, too.
const NOT_IN_DEBIAN: [&str; 6] = [
    "./usr/share/doc/*",
    "./usr/share/info/*",
    "./usr/share/locale/*",
    "./usr/share/man/*",
    "./var/cache/apt/*",
    "./var/lib/apt/lists/*",
];
const SYNAPSE: &str = "matrixdotorg/synapse:v1.163.2";
/// The others, each with its file in `testing/docker`.
const OTHERS: [(&str, &str); 4] = [
    ("rust:1.95-bookworm", "rust.Dockerfile"),
    ("node:20-bookworm-slim", "node.Dockerfile"),
    (SYNAPSE, "synapse.Dockerfile"),
    ("livekit/livekit-server:v1.13.5", "livekit.Dockerfile"),
];

/// Makes those that are not there. Images that were pulled stay.
pub async fn make() -> Result<()> {
    let folder = tempfile::Builder::new().prefix("vdp-images-").tempdir()?;
    let engine = Engine::start(folder.path()).await?;
    let made = make_missing(folder.path()).await;
    engine.stop().await?;
    made
}

async fn make_missing(folder: &Path) -> Result<()> {
    if is_missing(DEBIAN).await {
        print(&format!("making {DEBIAN} of Debian's packages"));
        debian(folder).await.context(DEBIAN)?;
    }
    for (name, file) in OTHERS {
        if is_missing(name).await {
            print(&format!("making {name} as in testing/docker/{file}"));
            let context = folder.join(file);
            fill(&context, file).await.context(name)?;
            let file = root().join("testing/docker").join(file);
            let mut build = Command::new("docker");
            build
                .args(["build", "--quiet", "--tag", name, "--file"])
                .arg(file)
                .arg(context);
            shown(&mut build).await.context(name)?;
        }
    }
    Ok(())
}

async fn is_missing(name: &str) -> bool {
    let mut inspect = Command::new("docker");
    inspect.args(["image", "inspect", "--format", "{{.Id}}", name]);
    let missing = output(&mut inspect).await.is_err();
    if !missing {
        print(&format!("found {name}"));
    }
    missing
}

/// A Debian with what is essential.
async fn debian(folder: &Path) -> Result<()> {
    let system = folder.join("debian");
    let mut bootstrap = Command::new("debootstrap");
    bootstrap.args(["--variant=minbase", "bookworm"]).arg(&system);
    output(&mut bootstrap).await?;
    let archive = folder.join("debian.tar");
    let mut pack = Command::new("tar");
    pack.args(NOT_IN_DEBIAN.map(|path| format!("--exclude={path}")));
    pack.arg("--create")
        .arg("--file")
        .arg(&archive)
        .arg("--directory")
        .arg(system)
        .arg(".");
    output(&mut pack).await?;
    let mut import = Command::new("docker");
    import
        .args(["import", "--change", "CMD [\"bash\"]"])
        .arg(archive)
        .arg(DEBIAN);
    shown(&mut import).await
}

/// What a Dockerfile of `testing/docker` copies.
async fn fill(context: &Path, file: &str) -> Result<()> {
    // Certificates that this machine trusts beside Debian's list: registries may be behind them.
    let certificates = context.join("certificates");
    std::fs::create_dir_all(&certificates)?;
    let own = Path::new("/usr/local/share/ca-certificates");
    if own.is_dir() {
        copy(&own.join("."), &certificates).await?;
    }
    match file {
        "rust.Dockerfile" => {
            let toolchain = output(Command::new("rustc").args(["--print", "sysroot"])).await?;
            for part in ["bin", "lib", "libexec"] {
                let (from, to) = (Path::new(&toolchain).join(part), context.join("toolchain"));
                std::fs::create_dir_all(&to)?;
                if from.is_dir() {
                    copy(&from, &to).await?;
                }
            }
        }
        "node.Dockerfile" => {
            let program = output(Command::new("node").args(["--print", "process.execPath"])).await?;
            let packages = output(Command::new("npm").args(["root", "--global"])).await?;
            let (bin, lib) = (context.join("node/bin"), context.join("node/lib/node_modules"));
            std::fs::create_dir_all(&bin)?;
            std::fs::create_dir_all(&lib)?;
            copy(Path::new(&program), &bin).await?;
            copy(&PathBuf::from(packages).join("npm"), &lib).await?;
        }
        "livekit.Dockerfile" => copy(&LiveKit::installed().context(LIVEKIT_MISSING)?, context).await?,
        _ => copy(&root().join("testing/requirements.txt"), context).await?,
    }
    Ok(())
}

async fn copy(from: &Path, to: &Path) -> Result<()> {
    output(Command::new("cp").arg("--archive").arg(from).arg(to))
        .await
        .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where a version changes in one place, what is made here has to follow.
    #[test]
    fn what_is_made_is_what_is_asked_for() {
        let read = |path: &str| std::fs::read_to_string(root().join(path)).unwrap();
        let asked = read("Dockerfile") + &read("docker-compose.yml");
        for name in [DEBIAN].into_iter().chain(OTHERS.map(|(name, _)| name)) {
            assert!(asked.contains(name), "{name}");
        }
        let own = [
            "manifests",
            "dependencies",
            "build",
            "runtime",
            "demo-dependencies",
            "rust",
        ];
        for line in read("Dockerfile").lines() {
            let Some(base) = line.strip_prefix("FROM ").and_then(|rest| rest.split(' ').next()) else {
                continue;
            };
            let made = base == DEBIAN || OTHERS.iter().any(|(name, _)| *name == base);
            assert!(made || own.contains(&base), "{base}");
        }
        let synapse = SYNAPSE.rsplit_once(":v").unwrap().1;
        assert!(read("testing/requirements.txt").contains(&format!("matrix-synapse=={synapse}\n")));
    }
}
