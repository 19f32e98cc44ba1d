# Each bridge in an image of its own, and a third one with the local Discord and the page of the demonstration:
#
#     docker build --target voice-bridge --tag vdp/voice-bridge .
#
# With BuildKit or without. Beside its three base images it reaches for the registries of Cargo, Debian and npm. docs/deploy.md
# says how the images are used.

FROM rust:1.95-bookworm AS rust
# Builds the audio and TLS libraries.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends cmake \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /source

# The workspace without its code: it stays the same, and what is built of it stays good, until a dependency changes.
FROM rust AS manifests
COPY . .
RUN find . -type f ! -name Cargo.toml ! -name Cargo.lock ! -path '*/src/main.rs' ! -path '*/src/lib.rs' -delete \
    && find . -type d -empty -delete \
    && for library in $(find . -path '*/src/lib.rs'); do : > "$library"; done \
    && for program in $(find . -path '*/src/main.rs'); do echo 'fn main() {}' > "$program"; done

FROM rust AS dependencies
COPY --from=manifests /source .
RUN cargo build --release --locked --package voice-bridge --package discord-bridge

FROM dependencies AS build
COPY crates crates
# To Cargo, what is older than what was built of the empty programs would not have changed.
RUN find crates -name '*.rs' -exec touch {} + \
    && cargo build --release --locked --package voice-bridge --package discord-bridge \
    && strip --strip-debug target/release/voice-bridge target/release/discord-bridge

FROM debian:bookworm-slim AS runtime
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* \
    && groupadd --gid 10001 vdp \
    && useradd --uid 10001 --gid vdp --no-create-home --home-dir / --shell /usr/sbin/nologin vdp \
# Where docker-compose.yml mounts what the services keep: a new volume gets the owner of the folder that it is mounted over first.
    && install --directory --owner vdp --group vdp --mode 700 \
        /vdp/secrets /vdp/registrations /vdp/synapse /vdp/people /vdp/livekit /vdp/discord-ca
COPY deploy/docker/healthy /usr/local/bin/
USER 10001:10001

FROM runtime AS voice-bridge
COPY --from=build /source/target/release/voice-bridge /usr/local/bin/
HEALTHCHECK --interval=10s --timeout=6s CMD ["healthy", "29332", "/live"]
ENTRYPOINT ["voice-bridge"]

FROM runtime AS discord-bridge
COPY --from=build /source/target/release/discord-bridge /usr/local/bin/
HEALTHCHECK --interval=10s --timeout=6s CMD ["healthy", "29334", "/live"]
ENTRYPOINT ["discord-bridge"]

# The demonstration, from here on.

FROM dependencies AS demo-dependencies
RUN cargo build --release --locked --package discord-standin --package e2e

FROM demo-dependencies AS demo-build
COPY crates crates
COPY testing testing
RUN find crates testing -name '*.rs' -exec touch {} + \
    && cargo build --release --locked --package discord-standin --package e2e \
    && strip --strip-debug target/release/discord-standin target/release/e2e

FROM node:20-bookworm-slim AS page
WORKDIR /source
COPY testing/web/package.json testing/web/package-lock.json ./
RUN npm ci --no-audit --no-fund --loglevel=error
COPY testing/web .
RUN npm run --silent build

# Who talks in the local Discord says something that is made here, so that the image needs no synthesiser.
FROM runtime AS speech
USER root
RUN apt-get update \
    && apt-get install --yes --no-install-recommends espeak-ng \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/*
COPY --from=demo-build /source/target/release/e2e /usr/local/bin/
RUN mkdir /speech && e2e speech /speech/talker.wav

FROM runtime AS demo
COPY --from=page /source/dist /usr/share/vdp/page
COPY --from=speech /speech /usr/share/vdp/speech
COPY --from=demo-build /source/target/release/discord-standin /source/target/release/e2e /usr/local/bin/
