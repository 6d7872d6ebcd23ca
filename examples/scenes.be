# Scenes on the buttons of a remote control that Tasmota reports in JSON:
# stat/remote/RESULT {"Button1":{"Action":"SINGLE"}}

import json

autoexec = module('autoexec')

# What each press of each button does: topics and payloads.
autoexec.scenes = {
  'Button1 SINGLE': {'cmnd/ceiling/POWER': 'TOGGLE'},
  'Button1 DOUBLE': {'cmnd/ceiling/POWER': 'ON', 'cmnd/ceiling/Dimmer': '100', 'cmnd/lamp/POWER': 'ON'},
  'Button1 HOLD': {'cmnd/ceiling/POWER': 'OFF', 'cmnd/lamp/POWER': 'OFF', 'cmnd/fan/POWER': 'OFF'},
  'Button2 SINGLE': {'cmnd/ceiling/POWER': 'ON', 'cmnd/ceiling/Dimmer': '20', 'cmnd/lamp/Color': 'FF4000'}
}

autoexec.init = def ()
  ms_subscribe('stat/remote/RESULT', def (topic, payload)
    var report = json.load(payload)
    if classname(report) != 'map' return end
    for button: report.keys()
      var press = report[button]
      if classname(press) != 'map' continue end
      var scene = autoexec.scenes.find(button + ' ' + str(press.find('Action')))
      if scene == nil continue end
      for device: scene.keys()
        ms_publish(device, scene[device])
      end
    end
  end)
end

return autoexec
