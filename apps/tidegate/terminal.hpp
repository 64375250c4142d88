// A terminal that is drawn on as a whole, and given back as it was.
#pragma once

#include <signal.h>
#include <termios.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace tidegate::command {

/// Takes the alternate screen, without echo and cursor, for its lifetime; what stood there is there
/// again afterwards, after a signal too. One at a time, one thread.
class Terminal {
 public:
  Terminal();
  ~Terminal();
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  struct Size {
    std::size_t width = 80;
    std::size_t height = 24;
  };
  [[nodiscard]] static Size size();

  /// Replaces what is on the screen in one write: nothing flickers. False: nobody is there to see.
  [[nodiscard]] static bool draw(std::string_view text);

  enum class Event : std::uint8_t {
    elapsed,  ///< the time is over
    resized,  ///< or the screen was taken from us for a while: draw again
    quit      ///< q, or a signal: see ended_by
  };
  /// Waits for a key, a signal, or so long. Ctrl-Z stops the program, as it does elsewhere.
  [[nodiscard]] Event wait(std::chrono::milliseconds at_most);

  /// The signal that asked us to end, 0 if none did.
  [[nodiscard]] int ended_by() const { return ended_by_; }

 private:
  void enter() const;
  void leave() const;
  Event obey_signal();
  static bool asked_to_quit();

  termios before_{};
  bool has_keys_;  ///< standard input is a terminal too
  sigset_t signals_before_{};
  int signals_ = -1;
  int ended_by_ = 0;
};

}  // namespace tidegate::command
