# A light on the stairs: on when somebody moves, off three minutes after the last movement.

autoexec = module('autoexec')

autoexec.init = def ()
  var off = nil
  ms_subscribe('stat/stairs/MOTION', def (topic, payload)
    if payload != 'ON' return end
    if off == nil
      ms_publish('cmnd/stairs/POWER', 'ON')
    else
      cancel(off)
    end
    off = setTimeout(def ()
      off = nil
      ms_publish('cmnd/stairs/POWER', 'OFF')
    end, 3 * 60 * 1000)
  end)
end

return autoexec
