# What the tests of the farm share.
# SPDX-License-Identifier: Apache-2.0
import pathlib
import sys

SOURCE = pathlib.Path(__file__).resolve().parents[2]
for folder in (SOURCE / "examples" / "farm", SOURCE / "tests" / "examples", SOURCE / "tests" / "farm"):
    sys.path.insert(0, str(folder))
