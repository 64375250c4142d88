// Boost.JSON, which the body of a reset is read with, compiled into the extension.
#include <boost/json/src.hpp>
