// What a clip leaves as it was in the process of its host, which may use LibTorch itself.
// SPDX-License-Identifier: Apache-2.0
#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/rand.h>
#include <c10/core/DefaultDtype.h>
#include <c10/core/InferenceMode.h>
#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <locale.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cfenv>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <locale>
#include <map>
#include <set>
#include <string>
#include <thread>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

#include "ovi/engine.h"
#include "small_clip.h"

namespace {

using namespace ovi;

class Neighbour : public testing::Test {
 protected:
  void TearDown() override { close(); }

  void open() {
    const std::string path = clip_.model();
    ovi_engine_config config{};
    config.size = sizeof config;
    config.model_path = path.c_str();
    config.device = "cpu";
    ASSERT_EQ(ovi_engine_create(&config, &engine_, &error_), OVI_OK) << error_.message;
  }
  /// Calls `during` at each progress; `bytes_` is what came out.
  void generate(const std::function<void()>& during = [] {}) {
    during_ = &during;
    bytes_.clear();
    ovi_callbacks callbacks{};
    callbacks.size = sizeof callbacks;
    callbacks.user = this;
    callbacks.progress = [](void* user, const ovi_progress*) {
      (*static_cast<Neighbour*>(user)->during_)();
    };
    callbacks.audio = [](void* user, const ovi_audio* audio) {
      static_cast<Neighbour*>(user)->bytes_.append(static_cast<const char*>(audio->data),
                                                   audio->bytes);
      ovi_buffer_release(audio->owner);
    };
    callbacks.video = [](void* user, const ovi_video_frame* frame) {
      static_cast<Neighbour*>(user)->bytes_.append(reinterpret_cast<const char*>(frame->data),
                                                   frame->bytes);
      ovi_buffer_release(frame->owner);
    };
    ASSERT_EQ(ovi_engine_generate(engine_, &clip_.request, &callbacks, nullptr, nullptr, &error_),
              OVI_OK)
        << error_.message;
  }
  void close() {
    ovi_engine_destroy(engine_);
    engine_ = nullptr;
  }
  /// All a host does with an engine.
  void make(const std::function<void()>& during = [] {}) {
    open();
    if (!HasFatalFailure()) generate(during);
    close();
  }

  SmallClip clip_;
  std::string bytes_;
  ovi_error error_{sizeof error_, OVI_OK, "", ""};

 private:
  ovi_engine* engine_ = nullptr;
  const std::function<void()>* during_ = nullptr;
};

/// What each signal does, and which this thread has blocked; but for SIGBUS, which the engine takes
/// while a model's files are mapped (weights/mapping_guard.h, with its own test).
std::string signals() {
  std::string all;
  for (int number = 1; number < 65; ++number) {
    struct sigaction action {};
    if (number == SIGBUS || sigaction(number, nullptr, &action) != 0) continue;
    all += std::to_string(number) + ":" +
           std::to_string(reinterpret_cast<uintptr_t>(action.sa_sigaction)) + "," +
           std::to_string(action.sa_flags) + " ";
  }
  sigset_t blocked;
  pthread_sigmask(SIG_BLOCK, nullptr, &blocked);
  for (int number = 1; number < 65; ++number)
    if (sigismember(&blocked, number)) all += "blocked " + std::to_string(number) + " ";
  return all;
}

std::string environment() {
  std::string all;
  for (char** variable = environ; *variable; ++variable) all += std::string(*variable) + "\n";
  return all;
}

std::string process() {
  char folder[4096] = "";
  EXPECT_NE(getcwd(folder, sizeof folder), nullptr);
  const mode_t mask = umask(0);
  umask(mask);
  cpu_set_t cores;
  CPU_ZERO(&cores);
  sched_getaffinity(0, sizeof cores, &cores);
  char name[16] = "";
  pthread_getname_np(pthread_self(), name, sizeof name);
  rlimit stack{}, files{};
  getrlimit(RLIMIT_STACK, &stack);
  getrlimit(RLIMIT_NOFILE, &files);
  return std::string(folder) + " " + std::to_string(mask) + " " +
         std::to_string(CPU_COUNT(&cores)) + " " + std::to_string(getpriority(PRIO_PROCESS, 0)) +
         " " + name + " " + std::to_string(stack.rlim_cur) + " " + std::to_string(files.rlim_cur) +
         " " + setlocale(LC_ALL, nullptr) + " " + std::locale().name();
}

std::string libtorch() {
  const at::Context& context = at::globalContext();
  return std::to_string(at::get_num_threads()) + " " +
         std::to_string(at::get_num_interop_threads()) + " " +
         std::to_string(c10::InferenceMode::is_enabled()) +
         std::to_string(at::GradMode::is_enabled()) +
         std::to_string(context.deterministicAlgorithms()) +
         std::to_string(context.userEnabledMkldnn()) + std::to_string(context.benchmarkCuDNN()) +
         " " +
         std::string(c10::typeMetaToScalarType(c10::get_default_dtype()) == at::kFloat ? "float"
                                                                                       : "?");
}

std::map<int, std::string> open_files() {
  std::map<int, std::string> found;
  DIR* folder = opendir("/proc/self/fd");
  while (const dirent* entry = readdir(folder)) {
    char target[4096] = "";
    if (entry->d_name[0] == '.' || std::atoi(entry->d_name) == dirfd(folder)) continue;
    const std::string path = std::string("/proc/self/fd/") + entry->d_name;
    if (readlink(path.c_str(), target, sizeof target - 1) > 0)
      found[std::atoi(entry->d_name)] = target;
  }
  closedir(folder);
  return found;
}

TEST_F(Neighbour, LeavesSignalsEnvironmentAndProcessAsTheyWere) {
  signal(SIGPIPE, SIG_IGN);
  umask(027);
  pthread_setname_np(pthread_self(), "host");
  const std::string before[] = {signals(), environment(), process()};
  make();
  EXPECT_EQ(signals(), before[0]);
  EXPECT_EQ(environment(), before[1]);
  EXPECT_EQ(process(), before[2]);
}

TEST_F(Neighbour, SaysNothing) {
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  make();
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST_F(Neighbour, LeavesLibTorchAsTheHostSetIt) {
  at::set_num_threads(2);
  at::globalContext().lazyInitDevice(at::kCPU);
  const std::string before = libtorch();
  at::Generator generator = at::globalContext().defaultGenerator(at::kCPU);
  generator.set_current_seed(7);
  const float first = at::rand({1}).item<float>(), second = at::rand({1}).item<float>();
  generator.set_current_seed(7);
  EXPECT_EQ(at::rand({1}).item<float>(), first);
  make([&] { EXPECT_EQ(at::get_num_threads(), 2); });
  EXPECT_EQ(libtorch(), before);
  EXPECT_EQ(at::rand({1}).item<float>(), second) << "the host's random numbers are others";
  EXPECT_TRUE(at::GradMode::is_enabled());
  at::set_num_threads(1);
}

TEST_F(Neighbour, LeavesTheFloatingPointEnvironment) {
  open();
  generate();
  for (const int rounding : {FE_TONEAREST, FE_UPWARD, FE_TOWARDZERO}) {
    std::fesetround(rounding);
#if defined(__x86_64__)
    const unsigned flushing = rounding == FE_TONEAREST ? 0 : 0x8040;  // FTZ, DAZ
    _mm_setcsr((_mm_getcsr() & ~0x8040u) | flushing);
    const unsigned control = _mm_getcsr() & ~0x3Fu;  // without what happened so far
#endif
    generate();
    EXPECT_EQ(std::fegetround(), rounding);
#if defined(__x86_64__)
    EXPECT_EQ(_mm_getcsr() & ~0x3Fu, control);
#endif
    std::fesetenv(FE_DFL_ENV);
  }
}

TEST_F(Neighbour, LeavesNoFileOpenToPrograms) {
  make();  // what LibTorch opens for good
  const auto before = open_files();
  int seen = 0;
  make([&] {
    for (const auto& [file, target] : open_files()) {
      if (before.contains(file)) continue;
      ++seen;
      EXPECT_TRUE(fcntl(file, F_GETFD) & FD_CLOEXEC) << target;
    }
  });
  EXPECT_GT(seen, 0) << "weights are read from somewhere";
  EXPECT_EQ(open_files(), before);
}

/// The status of a child that does `work` and ends as a program does; -1 when it does not end.
int in_child(const std::function<void()>& work) {
  const pid_t child = fork();
  if (child == 0) {
    work();
    std::exit(0);
  }
  pollfd end{static_cast<int>(syscall(SYS_pidfd_open, child, 0)), POLLIN, 0};
  const bool ended = poll(&end, 1, 30000) == 1;
  ::close(end.fd);
  if (!ended) kill(child, SIGKILL);
  int status = 0;
  waitpid(child, &status, 0);
  return ended ? status : -1;
}

TEST_F(Neighbour, LetsChildrenOfTheHostEnd) {
  open();
  generate();
  EXPECT_EQ(in_child([] {}), 0) << "with the model loaded";
  EXPECT_EQ(in_child([this] { close(); }), 0) << "closing its copy of the engine";
  int during = 0;
  generate([&] {
    if (during++ == 1) {
      EXPECT_EQ(in_child([] { _exit(0); }), 0) << "in the middle of a clip";
    }
  });
  EXPECT_GT(during, 1);
  close();
  EXPECT_EQ(in_child([] {}), 0) << "with the model gone";
}

/// Decimal commas and grouped thousands, for C and C++.
class InGermany {
 public:
  InGermany() {
    char name[] = "/tmp/ovi-locale-XXXXXX";
    folder_ = mkdtemp(name);
    const std::string made =
        "localedef -i de_DE -f UTF-8 " + folder_ + "/de_DE.UTF-8 >/dev/null 2>&1";
    made_ = std::system(made.c_str()) == 0;
    setenv("LOCPATH", folder_.c_str(), 1);
    made_ = made_ && setlocale(LC_ALL, "de_DE.UTF-8") != nullptr;
    if (made_) std::locale::global(std::locale("de_DE.UTF-8"));
  }
  ~InGermany() {
    std::locale::global(std::locale::classic());
    setlocale(LC_ALL, "C");
    unsetenv("LOCPATH");
    std::filesystem::remove_all(folder_);
  }
  bool made() const { return made_; }

 private:
  std::string folder_;
  bool made_ = false;
};

TEST_F(Neighbour, IsTheSameWhereNumbersHaveCommas) {
  make();
  const std::string expected = bytes_;
  const InGermany here;
  ASSERT_TRUE(here.made()) << "localedef and the sources of de_DE (Debian's `locales`) are needed";
  char text[16];
  std::snprintf(text, sizeof text, "%.1f", 1.5);
  ASSERT_STREQ(text, "1,5");
  make();
  EXPECT_TRUE(bytes_ == expected) << "another clip";

  open();
  clip_.request.shift = -1.5;
  ovi_plan plan{};
  plan.size = sizeof plan;
  ovi_engine* engine = nullptr;
  const std::string path = clip_.model();
  ovi_engine_config config{};
  config.size = sizeof config;
  config.model_path = path.c_str();
  config.device = "cpu";
  ASSERT_EQ(ovi_engine_create(&config, &engine, &error_), OVI_OK);
  EXPECT_EQ(ovi_engine_plan(engine, &clip_.request, &plan, nullptr, nullptr, &error_),
            OVI_SETTINGS);
  EXPECT_TRUE(std::string(error_.message).starts_with("shift is -1.5; it must be 0.01 to 100"))
      << error_.message;
  ovi_engine_destroy(engine);
}

}  // namespace
