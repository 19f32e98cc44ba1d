# What `rust:1.95-bookworm` is to the Dockerfile of this repository, from this machine's toolchain: `cargo xtask setup --docker`
# makes it where the published image is not there.
FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install --yes --no-install-recommends build-essential ca-certificates pkg-config \
    && rm -rf /var/lib/apt/lists/*
COPY certificates/ /usr/local/share/ca-certificates/
RUN update-ca-certificates
COPY toolchain/ /usr/local/cargo/
ENV CARGO_HOME=/usr/local/cargo PATH=/usr/local/cargo/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
