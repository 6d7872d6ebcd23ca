# Keeps a room warm: a sensor tells the temperature, a socket switches the heater. The wanted temperature is a retained
# message, so that it is still there after a restart: publish it to home/bath/wanted.

import json

autoexec = module('autoexec')
autoexec.wanted = 20.0
# Half the difference between on and off, so that the heater does not switch all the time.
autoexec.slack = 0.3
autoexec.heats = nil

def heat(on)
  if autoexec.heats == on return end
  autoexec.heats = on
  ms_publish('cmnd/heater/POWER', on ? 'ON' : 'OFF')
  ms_publish('home/bath/heating', on ? '1' : '0', true)
end

autoexec.init = def ()
  var silence = nil

  ms_subscribe('home/bath/wanted', def (topic, payload)
    var wanted = number(payload)
    # What is out of bounds is a mistake.
    if wanted != nil && wanted >= 5 && wanted <= 28
      autoexec.wanted = wanted
    end
  end)

  ms_subscribe('tele/bath/SENSOR', def (topic, payload)
    var report = json.load(payload)
    if classname(report) != 'map' return end
    var sensor = report.find('AM2301')
    if classname(sensor) != 'map' return end
    var temperature = sensor.find('Temperature')
    if temperature == nil return end
    if temperature < autoexec.wanted - autoexec.slack
      heat(true)
    elif temperature > autoexec.wanted + autoexec.slack
      heat(false)
    end
    # A sensor that has gone must not leave the heater on.
    if silence != nil cancel(silence) end
    silence = setTimeout(def ()
      silence = nil
      print('the sensor is silent: heater off')
      heat(false)
    end, 15 * 60 * 1000)
  end)
end

return autoexec
