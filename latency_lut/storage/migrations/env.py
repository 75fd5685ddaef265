"""Run by Alembic for each upgrade; the connection comes from `latency_lut.storage.migration`."""

from alembic import context

from latency_lut.storage.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=context.config.attributes["version_table"],
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
