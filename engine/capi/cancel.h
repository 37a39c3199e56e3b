// What ovi_cancel is, for the functions that poll it.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "runtime/cancel.h"

struct ovi_cancel {
  ovi::Cancel flag;
};
