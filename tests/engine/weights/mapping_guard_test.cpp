// Mapped files that are cut short while they are read, in a process that has handlers of its own.
// SPDX-License-Identifier: Apache-2.0
#include "weights/mapping_guard.h"

#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <csetjmp>

#include <thread>

#include "test_files.h"
#include "weights/mapped_file.h"

namespace ovi {
namespace {

using test::expect_error;
using test::TempFolder;

constexpr size_t kBytes = 1 << 20;

sigjmp_buf after_fault;
volatile sig_atomic_t faults = 0;
void count_fault(int) {
  faults = faults + 1;
  siglongjmp(after_fault, 1);
}

int sum_of(const MappedFile& file, size_t from) {
  int sum = 0;
  for (size_t i = from; i < file.size(); i += 4096) sum += file.data()[i];
  return sum;
}

// A page that faults and is nobody's mapping of weights.
class Elsewhere {
 public:
  explicit Elsewhere(const TempFolder& folder) {
    const std::string path = folder.write("elsewhere", std::string(8192, 'x'));
    std::FILE* file = std::fopen(path.c_str(), "r");
    page_ =
        static_cast<const char*>(::mmap(nullptr, 8192, PROT_READ, MAP_PRIVATE, ::fileno(file), 0));
    std::fclose(file);
    std::filesystem::resize_file(path, 0);
  }
  ~Elsewhere() { ::munmap(const_cast<char*>(page_), 8192); }
  char touch() const { return *static_cast<const volatile char*>(page_); }

 private:
  const char* page_;
};

class Guard : public testing::Test {
 protected:
  void SetUp() override { ::sigaction(SIGBUS, nullptr, &before_); }
  void TearDown() override { ::sigaction(SIGBUS, &before_, nullptr); }

  std::shared_ptr<const MappedFile> open() {
    return MappedFile::open(folder_.write("m", std::string(kBytes, '\1')));
  }
  void cut(size_t bytes) { std::filesystem::resize_file(folder_.path("m"), bytes); }
  static struct sigaction current() {
    struct sigaction now;
    ::sigaction(SIGBUS, nullptr, &now);
    return now;
  }

  TempFolder folder_;
  struct sigaction before_;
};

TEST_F(Guard, AFileThatIsCutShortReadsAsZerosAndIsNamed) {
  const auto file = open();
  file->check();
  cut(kBytes / 2);
  EXPECT_EQ(sum_of(*file, 0), static_cast<int>(kBytes / 2 / 4096));
  expect_error(
      ErrorKind::kRead, [&] { file->check(); }, folder_.path("m"));
  // Put back: what was read is still wrong, and another mapping is not.
  cut(kBytes);
  expect_error(
      ErrorKind::kRead, [&] { file->check(); }, folder_.path("m"), "truncated");
  const auto again = open();
  again->check();
  EXPECT_EQ(sum_of(*again, 0), static_cast<int>(kBytes / 4096));
  again->check();
}

// What is left of the last page is zeros without any fault.
TEST_F(Guard, AFileCutInItsLastPageIsFoundByItsSize) {
  const auto file = open();
  cut(kBytes - 10);
  EXPECT_EQ(file->data()[kBytes - 1], 0);
  expect_error(
      ErrorKind::kRead, [&] { file->check(); }, folder_.path("m"), "shorter");
}

TEST_F(Guard, ThreadsThatBlockSignalsTakeTheFault) {
  const auto file = open();
  cut(0);
  std::thread([&] {
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, nullptr);
    {
      const FaultsTaken taken;
      EXPECT_EQ(sum_of(*file, 0), 0);
    }
    sigset_t now;
    ::pthread_sigmask(SIG_SETMASK, nullptr, &now);
    EXPECT_EQ(::sigismember(&now, SIGBUS), 1) << "the mask is not put back";
  }).join();
  std::vector<std::thread> many;
  const auto other = open();
  cut(0);
  for (int i = 0; i < 8; ++i) many.emplace_back([&] { EXPECT_EQ(sum_of(*other, 0), 0); });
  for (std::thread& thread : many) thread.join();
}

TEST_F(Guard, OthersFaultsGoToTheHandlerThatWasThere) {
  struct sigaction own = {};
  own.sa_handler = count_fault;
  ::sigaction(SIGBUS, &own, nullptr);
  {
    const auto file = open();
    const Elsewhere elsewhere(folder_);
    faults = 0;
    if (sigsetjmp(after_fault, 1) == 0) {
      elsewhere.touch();
      ADD_FAILURE() << "no fault";
    }
    EXPECT_EQ(faults, 1);
    cut(0);
    EXPECT_EQ(sum_of(*file, 0), 0);
    EXPECT_EQ(faults, 1);
  }
  EXPECT_EQ(current().sa_handler, count_fault) << "the handler is not put back";
}

TEST_F(Guard, AHandlerThatIsSetLaterStays) {
  const auto file = open();
  struct sigaction own = {};
  own.sa_handler = count_fault;
  ::sigaction(SIGBUS, &own, nullptr);
  {
    const auto second = MappedFile::open(folder_.write("n", "x"));
    EXPECT_EQ(current().sa_handler, count_fault);
  }
  EXPECT_EQ(current().sa_handler, count_fault);
}

using GuardDeathTest = Guard;

TEST_F(GuardDeathTest, OthersFaultsEndTheProcessWhereNobodyTakesThem) {
  const auto file = open();
  const Elsewhere elsewhere(folder_);
  struct sigaction plain = {};
  plain.sa_handler = SIG_DFL;
  EXPECT_EXIT(
      {
        ::sigaction(SIGBUS, &plain, nullptr);
        const auto fresh = MappedFile::open(folder_.path("m"));
        elsewhere.touch();
      },
      testing::KilledBySignal(SIGBUS), "");
  EXPECT_EXIT(
      {
        ::sigaction(SIGBUS, &plain, nullptr);
        const auto fresh = MappedFile::open(folder_.path("m"));
        ::raise(SIGBUS);
      },
      testing::KilledBySignal(SIGBUS), "");
}

TEST_F(GuardDeathTest, AForkedChildIsGuardedToo) {
  const auto file = open();
  const pid_t child = ::fork();
  if (child == 0) {
    cut(0);
    ::_exit(sum_of(*file, 0) == 0 ? 7 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 7) << status;
}

}  // namespace
}  // namespace ovi
