// How ranks are found in the environment, and how processes meet and lose each other.
// SPDX-License-Identifier: Apache-2.0
#include "parallel/rendezvous.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <map>
#include <thread>
#include <vector>

#include "runtime/error.h"

extern char** environ;

namespace ovi::parallel {
namespace {

using Clock = std::chrono::steady_clock;
using Variables = std::map<std::string, std::string>;

std::optional<Place> place_of(const Variables& variables) {
  return place_in([&](const char* name) -> const char* {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  });
}

TEST(Place, IsWhereTorchrunPutsIt) {
  const auto place = place_of({{"RANK", "3"},
                               {"WORLD_SIZE", "4"},
                               {"LOCAL_RANK", "1"},
                               {"MASTER_ADDR", "node0"},
                               {"MASTER_PORT", "1234"},
                               {"TORCHELASTIC_USE_AGENT_STORE", "True"}});
  ASSERT_TRUE(place);
  EXPECT_EQ(place->rank, 3);
  EXPECT_EQ(place->size, 4);
  EXPECT_EQ(place->local_rank, 1);
  EXPECT_EQ(place->host, "node0");
  EXPECT_EQ(place->port, 1234);
  EXPECT_TRUE(place->store_is_there);
}

TEST(Place, OfNoRanksNamesTheirNumber) {
  try {
    place_of({{"RANK", "0"}, {"WORLD_SIZE", "0"}});
    FAIL();
  } catch (const Error& error) {
    EXPECT_TRUE(std::string(error.what()).starts_with("WORLD_SIZE=0 makes no sense")) << error.what();
  }
}

TEST(Place, IsWhereMpirunAndSlurmPutIt) {
  // mpirun within a job of Slurm: its own variables count.
  const auto mpi = place_of({{"OMPI_COMM_WORLD_RANK", "1"},
                             {"OMPI_COMM_WORLD_SIZE", "2"},
                             {"OMPI_COMM_WORLD_LOCAL_RANK", "1"},
                             {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"},
                             {"SLURM_PROCID", "0"},
                             {"SLURM_NTASKS", "1"}});
  ASSERT_TRUE(mpi);
  EXPECT_EQ(mpi->rank, 1);
  EXPECT_EQ(mpi->host, "127.0.0.1");  // all are here
  EXPECT_EQ(mpi->port, 29500);
  EXPECT_FALSE(mpi->store_is_there);

  const auto mpich = place_of({{"PMI_RANK", "0"}, {"PMI_SIZE", "2"}, {"MASTER_ADDR", "a"}});
  ASSERT_TRUE(mpich);
  EXPECT_EQ(mpich->host, "a");

  // And torchrun's within one of mpirun; what is half of it does not.
  Variables both = {{"RANK", "1"}, {"WORLD_SIZE", "4"}, {"MASTER_ADDR", "a"},
                    {"OMPI_COMM_WORLD_RANK", "0"}, {"OMPI_COMM_WORLD_SIZE", "2"}};
  EXPECT_EQ(place_of(both)->rank, 1);
  EXPECT_EQ(place_of(both)->size, 4);
  both.erase("WORLD_SIZE");
  EXPECT_EQ(place_of(both)->rank, 0);
  EXPECT_EQ(place_of(both)->size, 2);

  const Variables slurm = {{"SLURM_PROCID", "5"}, {"SLURM_NTASKS", "8"}, {"SLURM_LOCALID", "1"}};
  for (const auto& [list, first] : Variables{{"gpu[03-05,9],login", "gpu03"},
                                             {"gpu[7]", "gpu7"},
                                             {"alone,gpu[1-2]", "alone"},
                                             {"one", "one"}}) {
    Variables variables = slurm;
    variables["SLURM_STEP_NODELIST"] = list;
    EXPECT_EQ(place_of(variables)->host, first) << list;
  }
}

TEST(Place, IsNoneOrAnErrorThatNamesTheVariable) {
  EXPECT_FALSE(place_of({}));
  const auto wrong = [](const Variables& variables) -> std::string {
    try {
      place_of(variables);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kSettings);
      return error.what();
    }
    return "nothing";
  };
  EXPECT_NE(wrong({{"RANK", "2"}, {"WORLD_SIZE", "2"}}).find("RANK=2"), std::string::npos);
  EXPECT_NE(wrong({{"RANK", "-1"}, {"WORLD_SIZE", "2"}}).find("RANK=-1"), std::string::npos);
  EXPECT_NE(wrong({{"RANK", "0"}, {"WORLD_SIZE", "2"}, {"MASTER_PORT", "70000"}})
                .find("MASTER_PORT=70000"),
            std::string::npos);
  EXPECT_NE(wrong({{"RANK", "0"}, {"WORLD_SIZE", "2"}, {"MASTER_PORT", "0"}}).find("MASTER_PORT=0"),
            std::string::npos);
  EXPECT_EQ(wrong({{"RANK", "1"}}).find("RANK is set, and WORLD_SIZE is not"), 0U);
  EXPECT_EQ(wrong({{"SLURM_NTASKS", "2"}}).find("SLURM_NTASKS is set, and SLURM_PROCID is not"),
            0U);
  EXPECT_NE(
      wrong({{"OMPI_COMM_WORLD_RANK", "0"}, {"OMPI_COMM_WORLD_SIZE", "2"}}).find("Set MASTER_ADDR"),
      std::string::npos);
}

// A port that nobody has; `held` keeps it.
uint16_t free_port(int* held = nullptr) {
  const int file = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in own{};
  own.sin_family = AF_INET;
  own.sin_addr.s_addr = htonl(INADDR_ANY);
  socklen_t bytes = sizeof own;
  EXPECT_EQ(bind(file, reinterpret_cast<sockaddr*>(&own), bytes), 0);
  EXPECT_EQ(getsockname(file, reinterpret_cast<sockaddr*>(&own), &bytes), 0);
  if (held) {
    EXPECT_EQ(listen(file, 1), 0);
    *held = file;
  } else {
    close(file);
  }
  return ntohs(own.sin_port);
}

// A rank as a process; ended with the object.
class Process {
 public:
  Process(int64_t rank, int64_t size, uint16_t port, const std::string& release = "1.0",
          const std::vector<std::string>& first = {}) {
    int ends[2] = {-1, -1};
    EXPECT_EQ(pipe(ends), 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_addclose(&actions, ends[0]);
    posix_spawn_file_actions_addclose(&actions, ends[1]);
    std::vector<std::string> texts = first;  // of two of a name the first counts
    texts.insert(texts.end(), {"RANK=" + std::to_string(rank), "WORLD_SIZE=" + std::to_string(size),
                               "MASTER_ADDR=127.0.0.1", "MASTER_PORT=" + std::to_string(port),
                               "OVI_RANKS_PATIENCE=3"});
    std::vector<char*> variables, words;
    for (std::string& text : texts) variables.push_back(text.data());
    for (char** one = environ; *one; ++one) variables.push_back(*one);
    variables.push_back(nullptr);
    std::string program = std::getenv("OVI_RANK_PROGRAM"), own = release;
    words = {program.data(), own.data(), nullptr};
    EXPECT_EQ(posix_spawn(&id_, program.c_str(), &actions, nullptr, words.data(), variables.data()),
              0);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    said_ = fdopen(ends[0], "r");
  }
  ~Process() {
    kill(id_, SIGKILL);
    fclose(said_);
    waitpid(id_, nullptr, 0);
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  /// Its next line, when it comes.
  std::string says() {
    char line[4096] = {};
    if (!fgets(line, sizeof line, said_)) return "(end)";
    return std::string(line, strcspn(line, "\n"));
  }
  void send(int signal) { kill(id_, signal); }

 private:
  pid_t id_ = 0;
  FILE* said_ = nullptr;
};

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// What the others say when one of three got `signal`: each of them names it, within 10 s.
void expect_loss(int64_t victim, int signal) {
  const uint16_t port = free_port();
  Process ranks[] = {{0, 3, port}, {1, 3, port}, {2, 3, port}};
  for (Process& rank : ranks) ASSERT_EQ(rank.says(), "met");
  const auto begin = Clock::now();
  ranks[victim].send(signal);
  for (int64_t rank = 0; rank < 3; ++rank) {
    if (rank == victim) continue;
    const std::string said = ranks[rank].says();
    EXPECT_TRUE(has(said, "error: Rank " + std::to_string(victim) + " (cpu of ")) << said;
    EXPECT_LT(Clock::now() - begin, std::chrono::seconds(10));
  }
}

TEST(Meeting, ARankThatIsKilledIsNamed) { expect_loss(1, SIGKILL); }
TEST(Meeting, ARankThatHangsIsNamed) { expect_loss(2, SIGSTOP); }
TEST(Meeting, RankZeroThatIsKilledIsNamed) { expect_loss(0, SIGKILL); }
TEST(Meeting, RankZeroThatHangsIsNamed) { expect_loss(0, SIGSTOP); }

// As torchrun's, which the launcher serves: rank 0 does not.
TEST(Meeting, MayBeInALaunchersStore) {
  uint16_t port = 0;
  const std::shared_ptr<Store> store = serve_store(port);
  const std::vector<std::string> there = {"TORCHELASTIC_USE_AGENT_STORE=True"};
  Process first(0, 2, port, "1.0", there), second(1, 2, port, "1.0", there);
  EXPECT_EQ(first.says(), "met");
  EXPECT_EQ(second.says(), "met");
  first.send(SIGKILL);
  const std::string said = second.says();
  EXPECT_TRUE(has(said, "error: Rank 0 (cpu of ") && has(said, "has said nothing for 5 s")) << said;
}

TEST(Meeting, ARankThatDoesNotComeIsNamed) {
  const uint16_t port = free_port();
  const auto begin = Clock::now();
  Process first(0, 3, port), second(1, 3, port);
  for (Process* rank : {&first, &second}) {
    const std::string said = rank->says();
    EXPECT_TRUE(has(said, "error: Rank 2 of 3 has not come within 3 s")) << said;
  }
  EXPECT_LT(Clock::now() - begin, std::chrono::seconds(10));  // with the start of two programs
}

TEST(Meeting, AnAddressThatIsNotRankZerosIsNamed) {
  // Of a network that is for documents alone.
  Process first(0, 2, free_port(), "1.0", {"MASTER_ADDR=192.0.2.1"});
  const std::string said = first.says();
  EXPECT_TRUE(has(said, "error: Rank 1 of 2 has not come within 3 s. They look for rank 0 at "
                        "MASTER_ADDR=192.0.2.1, which is no address of this machine"))
      << said;
}

TEST(Meeting, ANetworkThatIsNotThereIsNamed) {
  std::string interface = "lo";
  const Environment environment = [&](const char* name) {
    return std::string(name) == "GLOO_SOCKET_IFNAME" ? interface.c_str() : nullptr;
  };
  check_network(environment);
  interface = "nothing0";
  try {
    check_network(environment);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kSettings);
    const std::string said = error.what();
    EXPECT_TRUE(has(said, "GLOO_SOCKET_IFNAME=nothing0 is no network interface of this machine, "
                          "which has ") &&
                has(said, "lo"))
        << said;
  }
}

TEST(Meeting, WithoutRankZeroTheOthersSaySo) {
  Process alone(1, 2, free_port());
  const std::string said = alone.says();
  EXPECT_TRUE(has(said, "error: Rank 0 is not there")) << said;
}

TEST(Meeting, AnotherReleaseIsNamed) {
  const uint16_t port = free_port();
  Process first(0, 2, port), second(1, 2, port, "0.9");
  for (Process* rank : {&first, &second}) {
    const std::string said = rank->says();
    EXPECT_TRUE(has(said, "error: Rank 1 (cpu of ") &&
                has(said, "is of release 0.9, and rank 0 of 1.0"))
        << said;
  }
}

TEST(Meeting, AnotherNumberOfRanksIsNamed) {
  const uint16_t port = free_port();
  Process first(0, 2, port), second(1, 4, port);
  for (Process* rank : {&first, &second}) {
    const std::string said = rank->says();
    EXPECT_TRUE(has(said, "error: Rank 1 (cpu of ") &&
                has(said, "was started as one of 4, and rank 0 as one of 2"))
        << said;
  }
}

TEST(Meeting, APortInUseIsNamed) {
  int held = -1;
  const uint16_t port = free_port(&held);
  Process first(0, 2, port);
  const std::string said = first.says();
  EXPECT_TRUE(has(said, "error: Rank 0 cannot listen on port " + std::to_string(port) +
                            ", which another program uses"))
      << said;
  // And who listens there never says anything.
  Process second(1, 2, port);
  EXPECT_TRUE(has(second.says(), "error: Rank 0 is not there"));
  close(held);
}

TEST(Meeting, TwoOfOneRankAreRefused) {
  const uint16_t port = free_port();
  Process first(0, 3, port), second(1, 3, port);
  std::this_thread::sleep_for(std::chrono::seconds(1));
  Process third(1, 3, port);
  // Whichever of the two came second.
  const std::string said = third.says();
  EXPECT_TRUE(has(said, "is there already") || has(second.says(), "is there already")) << said;
}

}  // namespace
}  // namespace ovi::parallel
