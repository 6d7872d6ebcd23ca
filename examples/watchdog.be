# Says which devices are silent: each that has told its state before and has not for 20 minutes is named in a retained
# message, home/silent/NAME, which goes when it is heard again.

import string

autoexec = module('autoexec')
autoexec.minutes = 20

autoexec.init = def ()
  # Minutes since each device was heard.
  var heard = {}

  ms_subscribe('tele/+/STATE', def (topic, payload)
    var name = string.split(topic, '/')[1]
    if heard.find(name, 0) >= autoexec.minutes
      print(name + ' is back')
      ms_publish('home/silent/' + name, '', true)
    end
    heard[name] = 0
  end)

  setInterval(def ()
    for name: heard.keys()
      heard[name] += 1
      if heard[name] == autoexec.minutes
        print(name + ' is silent')
        ms_publish('home/silent/' + name, str(autoexec.minutes) + ' minutes', true)
      end
    end
  end, 60 * 1000)
end

return autoexec
