// The one door through which files become the tensors of a component.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "weights/component.h"
#include "weights/tensor_source.h"

namespace ovi {

/// The tensors of `component` under the reference's names, from its file, its two halves, or the
/// index of its shards. Throws as open_tensors(), and Error(kFormat) as reject_wrong_component()
/// where files are known to be something else.
std::shared_ptr<const TensorSource> open_component(const std::vector<std::string>& paths,
                                                   Component component);

/// The same of opened files. A file that is laid out as the reference's is given back itself, and
/// so is one in which nothing is known.
std::shared_ptr<const TensorSource> arrange(
    const std::vector<std::shared_ptr<const TensorSource>>& sources, Component component);

/// A weight file, or all shards of an index (`*.index.json`) as one.
std::shared_ptr<const TensorSource> open_file(const std::string& path);

}  // namespace ovi
