# The GraphQL playground consists of browser files, which do not depend on the platform.
FROM --platform=$BUILDPLATFORM debian:trixie-slim AS playground
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates nodejs npm \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /playground
COPY playground/package.json playground/package-lock.json ./
RUN npm ci --no-fund --no-audit
COPY playground ./
RUN npm run --silent build

FROM rust:1.95-slim-trixie AS build
WORKDIR /build
# Compiles the dependencies with empty crates. This layer is reused until Cargo.toml or Cargo.lock changes.
COPY .cargo .cargo
COPY Cargo.toml Cargo.lock ./
COPY entity/Cargo.toml entity/
COPY migration/Cargo.toml migration/
RUN mkdir -p src benches entity/src migration/src /empty \
    && touch src/lib.rs benches/hot_paths.rs entity/src/lib.rs migration/src/lib.rs \
    && echo 'fn main() {}' | tee build.rs >src/main.rs \
    && cargo build --profile dist --locked
COPY . .
COPY --from=playground /playground/dist playground/dist
# cargo compares modification times. `touch` makes the sources newer than the build of the empty crates.
RUN find build.rs src entity migration -name '*.rs' -exec touch {} + \
    && cargo build --profile dist --locked

FROM gcr.io/distroless/cc-debian13:nonroot
COPY --from=build /build/target/dist/stockmeter /usr/local/bin/
# Folder for the SQLite file. A new named volume inherits its owner.
COPY --from=build --chown=65532:65532 /empty /data
ENV STOCKMETER_LISTEN=0.0.0.0:8000 \
    DATABASE_URL=sqlite:///data/stockmeter.db
WORKDIR /data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=6s --start-period=90s --start-interval=1s \
    CMD ["stockmeter", "healthcheck"]
ENTRYPOINT ["stockmeter"]
ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Stockmeter" \
    org.opencontainers.image.description="Product inventory server with REST and GraphQL APIs and Prometheus metrics" \
    org.opencontainers.image.source="https://github.com/stockmeter/stockmeter" \
    org.opencontainers.image.licenses="MIT OR Apache-2.0" \
    org.opencontainers.image.version="$VERSION" \
    org.opencontainers.image.revision="$REVISION"
