# What `node:20-bookworm-slim` is to the Dockerfile of this repository, with this machine's Node.js: `cargo xtask setup --docker`
# makes it where the published image is not there.
FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates libstdc++6 \
    && rm -rf /var/lib/apt/lists/*
COPY certificates/ /usr/local/share/ca-certificates/
RUN update-ca-certificates
COPY node/ /usr/local/
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm
# Node.js trusts its own list, and knows the system's by this.
ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt
