# What `livekit/livekit-server` is to docker-compose.yml, with the LiveKit that `cargo xtask setup` has built: `cargo xtask setup
# --docker` makes it where the published image is not there.
FROM debian:bookworm-slim
COPY livekit-server /usr/local/bin/
ENTRYPOINT ["livekit-server"]
