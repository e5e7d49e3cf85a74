# One image per third-party server that we build ourselves, from one recipe: the installer that the local stack uses, so
# that the pins and how each is built are said once. The build context is the repository's root.
#
#   docker build -f deploy/docker/thirdparty.Dockerfile --build-arg NAME=minio --build-arg SERVER=minio .
#
# NAME is the folder below deploy/thirdparty with the pins, SERVER what the installer calls it. BUILDER as in Dockerfile.
# Beside the server there is /probe, its health check: the images hold no shell.
ARG BUILDER=source
ARG GO_IMAGE=golang:1.26-bookworm

FROM ${GO_IMAGE} AS probe
WORKDIR /src
ENV GOWORK=off CGO_ENABLED=0 GOFLAGS=-mod=readonly
COPY proto proto
COPY pkg pkg
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
	cd pkg && go build -buildvcs=false -trimpath -ldflags '-s -w' -o /out/probe ./servers/cmd/probe

FROM ${GO_IMAGE} AS source
ARG NAME
ARG SERVER
WORKDIR /src
COPY deploy/tools/install.sh deploy/tools/install.sh
COPY deploy/thirdparty/${NAME} deploy/thirdparty/${NAME}
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
	# A tmpfs mounted at /tmp takes its mode from the folder below it when a container is restarted.
	mkdir -p /out/etc /state && mkdir -m 1777 /out/tmp && \
	built=$(PRIMECLOUD_STATIC=1 PRIMECLOUD_CACHE=/tmp/servers sh deploy/tools/install.sh "${SERVER}") && \
	cp "$built" /out/server && \
	# Dex has its login pages beside it, the door its configuration.
	if [ -d "${built%/*}/web" ]; then cp -R "${built%/*}/web" /out/web; fi && \
	if [ -f "deploy/thirdparty/${NAME}/Caddyfile" ]; then cp "deploy/thirdparty/${NAME}/Caddyfile" /out/etc/; fi
COPY --from=probe /out/probe /out/probe

FROM scratch AS prebuilt
COPY . /

FROM ${BUILDER} AS built

FROM scratch
ARG NAME
ARG VERSION=local
LABEL org.opencontainers.image.title="primecloud-${NAME}" \
	org.opencontainers.image.vendor="PrimeCloud" \
	org.opencontainers.image.description="${NAME}, built from the module that deploy/thirdparty/${NAME} pins; under its own licence" \
	org.opencontainers.image.version="${VERSION}"
COPY --from=built /out/ /
COPY --from=built --chown=65532:65532 /state/ /data/
USER 65532:65532
WORKDIR /data
ENTRYPOINT ["/server"]
STOPSIGNAL SIGTERM
