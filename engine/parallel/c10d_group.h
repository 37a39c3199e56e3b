// A Group of torch.distributed's process groups: Gloo between CPUs, NCCL between GPUs.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <c10/core/Device.h>

#include <memory>
#include <string>

#include "parallel/agreement.h"
#include "parallel/group.h"

namespace ovi::parallel {

/// All ranks of the agreement, each of which calls this with the same `name`, new each time, in a
/// round that has begun; `device` is the rank's own and of one kind for all. `address` is where the
/// others can reach this rank. Its collectives end when the round fails. Throws as they do.
std::shared_ptr<Group> join_group(std::shared_ptr<Agreement> agreement, const std::string& name,
                                  const c10::Device& device,
                                  const std::string& address = "127.0.0.1");

}  // namespace ovi::parallel
