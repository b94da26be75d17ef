# syntax=docker/dockerfile:1
# Vitrine in a small image that runs as an unprivileged user.

FROM rust:1.95-slim-bookworm AS build
# librdkafka is built from source and linked statically: it needs a C compiler and make. OpenSSL, for TLS, is linked dynamically.
RUN apt-get update \
 && apt-get install -y --no-install-recommends build-essential libssl-dev pkg-config \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /build
# The image provides the toolchain: .dockerignore excludes rust-toolchain.toml.
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/build/target \
    cargo build --release --locked --package vitrine --bin vitrine --features kafka-tls \
 && cp target/release/vitrine /vitrine

FROM debian:bookworm-slim
# For TLS to Kafka: OpenSSL and the certificates it trusts.
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates libssl3 \
 && rm -rf /var/lib/apt/lists/*
# A volume for checkpoints that is mounted there belongs to this user.
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin vitrine \
 && install --directory --owner vitrine /var/lib/vitrine
COPY --from=build /vitrine /usr/local/bin/vitrine
COPY LICENSE /usr/share/doc/vitrine/LICENSE
USER 10001
# Loopback of a container cannot be reached from outside. The published address is chosen outside of the container.
# On this address the server needs keys (VITRINE__AUTH__KEYS), or VITRINE__AUTH__REQUIRED=false where nobody else can reach it.
ENV VITRINE__SERVER__LISTEN=0.0.0.0:8080
EXPOSE 8080
# Checks /livez and not /readyz: a server that catches up or waits for its sources is healthy. It speaks plain HTTP: a server with
# a certificate (VITRINE__SERVER__TLS_CERT) needs another check.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
  CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8080 && printf 'GET /livez HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n' >&3 && IFS= read -r status <&3 && [[ $status == *' 200 '* ]]"]
ENTRYPOINT ["vitrine"]
CMD ["serve"]
