// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace ovi {

/// Makes LibTorch's OpenMP threads sleep instead of spin while they wait for one
/// another, so that encoders and other elements beside them get the cores. Costs
/// nothing when the machine is idle. Once a process; any thread.
void wait_politely();

}  // namespace ovi
