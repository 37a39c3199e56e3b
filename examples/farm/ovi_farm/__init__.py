# Many clips on many machines: ovii2vsrc behind Ray.
# SPDX-License-Identifier: Apache-2.0
