#!/usr/bin/env bash
# Builds the site of docs/ into build-site/, and fails where mkdocs has something to say.
# SPDX-License-Identifier: Apache-2.0
#
#   docs/site.sh            build-site/index.html
#   docs/site.sh serve      http://127.0.0.1:8000, anew with every change
#
# mkdocs-material comes by pip, into an environment of its own in .deps/site (60 MB).
set -euo pipefail
cd "$(dirname "$0")/.."
site=.deps/site
if [ ! -e "$site/ready" ]; then
  python3 -m venv --clear "$site"
  "$site/bin/pip" install --quiet --disable-pip-version-check 'mkdocs-material>=9.5,<10' 'mkdocs>=1.6,<2'
  touch "$site/ready"
fi
if [ "${1:-}" = serve ]; then
  exec "$site/bin/mkdocs" serve
fi
NO_MKDOCS_2_WARNING=1 "$site/bin/mkdocs" build --strict --quiet "$@"
# What CI does is YAML, too.
"$site/bin/python" - <<'PYTHON'
import yaml

with open(".github/workflows/ci.yml") as file:
    workflow = yaml.safe_load(file)
for name, job in workflow["jobs"].items():
    assert job["runs-on"] and job["steps"], name
    for step in job["steps"]:
        assert ("run" in step) != ("uses" in step), (name, step)
print("build-site/index.html, and .github/workflows/ci.yml, are well")
PYTHON
