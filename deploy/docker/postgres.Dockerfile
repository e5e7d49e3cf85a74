# Stands in for the official image of PostgreSQL where no registry can be reached, and nowhere else: the server that the
# local stack runs, with the few programs that its scripts need. It knows as much of the official image's settings as
# docker-compose.yml uses. The context is put together by deploy/e2e/cmd/containers.
FROM scratch
COPY out/ /
COPY --chown=999:999 state/ /var/lib/postgresql/
ENV PATH=/usr/local/pgsql/bin:/bin LD_LIBRARY_PATH=/usr/local/pgsql/lib LC_ALL=C TZ=UTC
USER 999:999
WORKDIR /var/lib/postgresql
ENTRYPOINT ["/bin/docker-entrypoint.sh"]
CMD ["postgres"]
# A fast shutdown: the polite one waits for every client to go.
STOPSIGNAL SIGINT
