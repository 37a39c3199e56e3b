// As engine/pch/engine_pch.h, for the tests.
#pragma once

#include "../../../engine/pch/engine_pch.h"

#include <gtest/gtest.h>
