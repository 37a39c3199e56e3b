// What this machine knows of itself in a network, before it talks to another.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

namespace ovi::parallel {

/// The name of this machine; "?" where it has none.
std::string host_name();

/// Of this machine, where `host` can reach it; the machine's name where that is not known.
/// Nothing is sent.
std::string own_address_towards(const std::string& host, uint16_t port);

/// Whether `host` has no name, or names another machine. It may lead here nevertheless, where
/// addresses are translated on the way.
bool is_elsewhere(const std::string& host);

/// Throws Error(kSettings) where `interface`, the value of `variable`, is no network interface of
/// this machine, and says which there are.
void check_interface(const std::string& variable, const std::string& interface);

}  // namespace ovi::parallel
