// The ratios that hold for a model nobody has measured.
// SPDX-License-Identifier: Apache-2.0
#include <vector>

#include "sampling/magnitude_table.h"
#include "sampling/scheduler.h"

namespace ovi {
namespace {

// Measured by the MagCache project; see of_the_backbone().
constexpr int64_t kBackboneSteps = 50;
constexpr double kBackboneShift = 5.0;
constexpr double kBackbonePositive[kBackboneSteps - 1] = {
    0.99512, 0.99559, 0.99595, 0.99512, 0.99546, 0.99543, 0.99496, 0.99504, 0.99444, 0.99481,
    0.99435, 0.99430, 0.99411, 0.99373, 0.99413, 0.99363, 0.99335, 0.99244, 0.99229, 0.99239,
    0.99163, 0.99149, 0.99191, 0.98980, 0.98990, 0.98849, 0.98846, 0.98861, 0.98740, 0.98588,
    0.98539, 0.98444, 0.98310, 0.98119, 0.98001, 0.97862, 0.97555, 0.97392, 0.97152, 0.96871,
    0.96435, 0.96129, 0.95639, 0.95176, 0.94446, 0.93972, 0.93575, 0.93537, 0.96655};
constexpr double kBackboneNegative[kBackboneSteps - 1] = {
    0.99559, 0.99561, 0.99577, 0.99512, 0.99534, 0.99531, 0.99491, 0.99499, 0.99449, 0.99481,
    0.99435, 0.99431, 0.99406, 0.99376, 0.99405, 0.99359, 0.99331, 0.99243, 0.99229, 0.99236,
    0.99160, 0.99151, 0.99192, 0.98981, 0.98987, 0.98849, 0.98846, 0.98861, 0.98738, 0.98589,
    0.98534, 0.98439, 0.98309, 0.98118, 0.98000, 0.97859, 0.97558, 0.97388, 0.97145, 0.96870,
    0.96434, 0.96127, 0.95638, 0.95175, 0.94452, 0.93974, 0.93590, 0.93552, 0.96616};

}  // namespace

MagnitudeTable MagnitudeTable::of_the_backbone() {
  MagnitudeRatios measured;
  measured.timesteps = make_scheduler(Solver::kUnipc, kBackboneSteps, kBackboneShift)->timesteps();
  const std::vector<double> positive(std::begin(kBackbonePositive), std::end(kBackbonePositive));
  const std::vector<double> negative(std::begin(kBackboneNegative), std::end(kBackboneNegative));
  measured.ratios = {positive, negative, positive, negative};
  return MagnitudeTable(measured, "the video backbone, Wan2.2-TI2V-5B");
}

}  // namespace ovi
