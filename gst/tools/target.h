// Where a clip goes: a file that appears when it is whole, or a stream.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>

namespace ovii2v::tools {

/// A file is written under a name of its own in the same folder, and gets its own name when it is
/// whole: whatever happens, half a file is never there. Fifos, devices and stdout ("-") are
/// written as the clip is made.
class Target {
 public:
  Target() = default;
  ~Target() { discard(); }
  Target(const Target&) = delete;
  Target& operator=(const Target&) = delete;

  /// Says what is wrong before anything is made: a folder that is not there or may not be written,
  /// a file that is there (`force` allows to replace it). Empty when all is well.
  /// `wait` is called again and again while a fifo has no reader yet, and ends that with false.
  std::string open(const std::string& path, bool force, const std::function<bool()>& wait);

  /// A file can be written again from its beginning.
  bool is_stream() const { return stream_; }
  int descriptor() const { return descriptor_; }
  /// Bytes of the file's name that is written now; not for streams.
  const std::string& part() const { return part_; }

  /// The whole file gets its name. Says what is wrong, and then where the clip is.
  std::string finish();
  /// What was written goes away.
  void discard();

 private:
  std::string path_, part_;
  int descriptor_ = -1;
  bool stream_ = false, force_ = false;
};

/// Whether something is there by that name, be it a link that leads nowhere.
bool exists(const std::string& path);
/// Whether it is no file and no folder: a fifo, a device, a socket.
bool is_stream(const std::string& path);

}  // namespace ovii2v::tools
